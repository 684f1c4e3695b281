package publish_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/tools/release/dist"
	"kafka-e2ee/tools/release/publish"
)

const version = "v1.2.3"

// Without this what people pull could differ from what was released and checked, or a digest that the command prints could
// be of something else.
func TestPublish(t *testing.T) {
	r := newRegistry(t)
	folder := newRelease(t, r.address, "producer", "consumer")
	cosign := withCosign(t, "")
	var out, log bytes.Buffer
	if err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address, Key: "cosign.key"}, &out, &log); err != nil {
		t.Fatalf("%v: %s", err, &log)
	}
	var want strings.Builder
	var signed []string
	for _, image := range []string{"consumer", "producer"} {
		released := open(t, folder, image)
		fmt.Fprintf(&want, "%s/%s:%s@%s\n", r.address, image, version, released.Digest)
		signed = append(signed, fmt.Sprintf("sign --yes --key cosign.key %s/%s@%s", r.address, image, released.Digest))
		wantSame(t, released, r.address+"/"+image+"@"+released.Digest.String())
		wantSame(t, released, r.address+"/"+image+":"+version)
	}
	if out.String() != want.String() {
		t.Errorf("it printed %s, want %s", &out, &want)
	}
	sums := filepath.Join(folder, dist.Sums)
	signed = append(signed, "sign-blob --yes --key cosign.key --bundle "+sums+".sigstore.json "+sums)
	if got := calls(t, cosign); !slices.Equal(got, signed) {
		t.Errorf("cosign was called with %q, want %q", got, signed)
	}

	// A second time, as after a failure: signatures of another person.
	if err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address}, io.Discard, &log); err != nil {
		t.Fatal(err)
	}
	last := calls(t, cosign)
	if got, want := last[len(last)-1], "sign-blob --yes --bundle "+sums+".sigstore.json "+sums; got != want {
		t.Errorf("without a key cosign was called with %q, want %q", got, want)
	}
}

// Without this a released version could change under those who use it, or a release that cannot be published whole would be
// published in part.
func TestPublishReplacesNothing(t *testing.T) {
	r := newRegistry(t)
	first, second := newRelease(t, r.address, "producer"), newRelease(t, r.address, "consumer", "producer")
	withCosign(t, "")
	if err := publish.Publish(t.Context(), publish.Request{Folder: first, Registry: r.address}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	before := r.writes.Load()
	err := publish.Publish(t.Context(), publish.Request{Folder: second, Registry: r.address}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "released versions do not change") {
		t.Errorf("publishing other content as the same version: %v", err)
	}
	wantSame(t, open(t, first, "producer"), r.address+"/producer:"+version)
	if n := r.writes.Load() - before; n != 0 {
		t.Errorf("it sent the registry %d requests that write, before it refused", n)
	}
}

// Without this the images could go to another registry, or be of another version, than the manifests of the same release
// name: nobody could deploy it.
func TestPublishWhereItWasMadeFor(t *testing.T) {
	r := newRegistry(t)
	folder := newRelease(t, "registry.test/team", "producer")
	err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "want registry.test/team") {
		t.Errorf("to another registry: %v", err)
	}
	folder = newRelease(t, r.address, "producer")
	err = publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address, Version: "v1.2.4"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "want "+version) {
		t.Errorf("as another version: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "provenance")); err != nil {
		t.Fatal(err)
	}
	if err := dist.WriteSums(folder); err != nil {
		t.Fatal(err)
	}
	err = publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "reading the provenance") {
		t.Errorf("without provenance: %v", err)
	}
	if n := r.requests.Load(); n != 0 {
		t.Errorf("the registry got %d requests", n)
	}
}

// Without this a release that somebody changed after it was made would be published.
func TestPublishChecksFirst(t *testing.T) {
	r := newRegistry(t)
	folder := newRelease(t, r.address, "producer")
	if err := os.WriteFile(filepath.Join(folder, "verify"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "checking verify") {
		t.Errorf("a changed file: %v", err)
	}
	if err := publish.Publish(t.Context(), publish.Request{Folder: t.TempDir(), Registry: r.address}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "make release") {
		t.Errorf("no release: %v", err)
	}
	if n := r.requests.Load(); n != 0 {
		t.Errorf("the registry got %d requests", n)
	}
}

// Without this somebody could take an unsigned release for a signed one.
func TestPublishSaysThatItDidNotSign(t *testing.T) {
	r := newRegistry(t)
	folder := newRelease(t, r.address, "producer")
	t.Setenv("PATH", t.TempDir())
	var log bytes.Buffer
	if err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address}, io.Discard, &log); err != nil || !strings.Contains(log.String(), "NOT SIGNED") {
		t.Errorf("without cosign: %v, %s", err, &log)
	}
	if err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address, Key: "cosign.key"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "signing with a key") {
		t.Errorf("with a key and without cosign: %v", err)
	}
	withCosign(t, "exit 1")
	if err := publish.Publish(t.Context(), publish.Request{Folder: folder, Registry: r.address}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "running cosign sign") {
		t.Errorf("with a cosign that fails: %v", err)
	}
}

// Without this somebody who is not signed in, or mistyped the registry's name, would not learn what to do.
func TestPublishSaysWhy(t *testing.T) {
	for status, want := range map[int]string{http.StatusForbidden: "docker login", http.StatusBadRequest: "looking for"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/v2/" {
				w.WriteHeader(status)
			}
		}))
		defer server.Close()
		address := strings.TrimPrefix(server.URL, "http://") + "/team"
		err := publish.Publish(t.Context(), publish.Request{Folder: newRelease(t, address, "producer"), Registry: address}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "login") != (status == http.StatusForbidden) {
			t.Errorf("status %d: %v", status, err)
		}
	}
}
