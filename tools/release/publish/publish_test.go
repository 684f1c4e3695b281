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
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"kafka-e2ee/tools/release/dist"
	"kafka-e2ee/tools/release/publish"
)

const version = "v1.2.3"

// Without this what people pull could differ from what was released and checked, or a digest that the command prints could
// be of something else.
func TestPublish(t *testing.T) {
	r, folder := newRegistry(t), newRelease(t, "producer", "consumer")
	cosign := withCosign(t, "")
	var out, log bytes.Buffer
	if err := publish.Publish(t.Context(), folder, r.address, "cosign.key", &out, &log); err != nil {
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
	if err := publish.Publish(t.Context(), folder, r.address, "", io.Discard, &log); err != nil {
		t.Fatal(err)
	}
	last := calls(t, cosign)
	if got, want := last[len(last)-1], "sign-blob --yes --bundle "+sums+".sigstore.json "+sums; got != want {
		t.Errorf("without a key cosign was called with %q, want %q", got, want)
	}
}

// Without this a released version could change under those who use it.
func TestPublishReplacesNothing(t *testing.T) {
	r, first, second := newRegistry(t), newRelease(t, "producer"), newRelease(t, "producer")
	withCosign(t, "")
	if err := publish.Publish(t.Context(), first, r.address, "", io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	err := publish.Publish(t.Context(), second, r.address, "", io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "released versions do not change") {
		t.Errorf("publishing other content as the same version: %v", err)
	}
	wantSame(t, open(t, first, "producer"), r.address+"/producer:"+version)
}

// Without this a release that somebody changed after it was made would be published.
func TestPublishChecksFirst(t *testing.T) {
	r, folder := newRegistry(t), newRelease(t, "producer")
	if err := os.WriteFile(filepath.Join(folder, "verify"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := publish.Publish(t.Context(), folder, r.address, "", io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "checking verify") {
		t.Errorf("a changed file: %v", err)
	}
	if err := publish.Publish(t.Context(), t.TempDir(), r.address, "", io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "make release") {
		t.Errorf("no release: %v", err)
	}
	if n := r.requests.Load(); n != 0 {
		t.Errorf("the registry got %d requests", n)
	}
}

// Without this somebody could take an unsigned release for a signed one.
func TestPublishSaysThatItDidNotSign(t *testing.T) {
	r, folder := newRegistry(t), newRelease(t, "producer")
	t.Setenv("PATH", t.TempDir())
	var log bytes.Buffer
	if err := publish.Publish(t.Context(), folder, r.address, "", io.Discard, &log); err != nil || !strings.Contains(log.String(), "NOT SIGNED") {
		t.Errorf("without cosign: %v, %s", err, &log)
	}
	if err := publish.Publish(t.Context(), folder, r.address, "cosign.key", io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "signing with a key") {
		t.Errorf("with a key and without cosign: %v", err)
	}
	withCosign(t, "exit 1")
	if err := publish.Publish(t.Context(), folder, r.address, "", io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "running cosign sign") {
		t.Errorf("with a cosign that fails: %v", err)
	}
}

// Without this somebody who is not signed in, or mistyped the registry's name, would not learn what to do.
func TestPublishSaysWhy(t *testing.T) {
	folder := newRelease(t, "producer")
	for status, want := range map[int]string{http.StatusForbidden: "docker login", http.StatusBadRequest: "looking for"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/v2/" {
				w.WriteHeader(status)
			}
		}))
		defer server.Close()
		err := publish.Publish(t.Context(), folder, strings.TrimPrefix(server.URL, "http://")+"/team", "", io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "login") != (status == http.StatusForbidden) {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

type localRegistry struct {
	address  string
	requests atomic.Int64
}

// newRegistry starts a registry with nothing in it.
func newRegistry(t *testing.T) *localRegistry {
	t.Helper()
	r := new(localRegistry)
	handler := registry.New()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.requests.Add(1)
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://") + "/team"
	return r
}

// newRelease returns the folder of a small release: images with random layers, and one other file.
func newRelease(t *testing.T, images ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, image := range images {
		index, err := random.Index(1000, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(dir, image+"-"+version+dist.Extension))
		if err != nil {
			t.Fatal(err)
		}
		if err := dist.WriteImage(file, time.Unix(0, 0), index, version); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "verify"), []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dist.WriteSums(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, folder, image string) dist.Image {
	t.Helper()
	opened, err := dist.OpenImage(filepath.Join(folder, image+"-"+version+dist.Extension), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// wantSame pulls an image and compares every byte of it with the released one.
func wantSame(t *testing.T, released dist.Image, reference string) {
	t.Helper()
	parsed, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Index(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(pulled); err != nil {
		t.Error(err)
	}
	if got, want := content(t, pulled), content(t, released.Index); !slices.EqualFunc(got, want, bytes.Equal) || len(got) == 0 {
		t.Errorf("%s differs from the release", reference)
	}
}

// content returns all manifests, configurations and layers of an image.
func content(t *testing.T, image v1.ImageIndex) (all [][]byte) {
	t.Helper()
	add := func(part []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part)
	}
	add(image.RawManifest())
	list, err := image.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list.Manifests {
		single, err := image.Image(one.Digest)
		if err != nil {
			t.Fatal(err)
		}
		add(single.RawManifest())
		add(single.RawConfigFile())
		layers, err := single.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			reader, err := layer.Compressed()
			if err != nil {
				t.Fatal(err)
			}
			add(io.ReadAll(reader))
			reader.Close()
		}
	}
	return all
}

// withCosign puts a stand-in for cosign on the path, which notes its arguments and then does more. It returns the notes.
func withCosign(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	script := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>'%s'\n%s\n", notes, more)
	if err := os.WriteFile(filepath.Join(dir, "cosign"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return notes
}

func calls(t *testing.T, notes string) []string {
	t.Helper()
	text, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
