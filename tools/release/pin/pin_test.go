package pin_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"kafka-e2ee/tools/release/pin"
)

// repository copies the files that name images, and has them name those of another registry. It returns the folder, and
// the images' names.
func repository(t *testing.T, registry string) (dir string, images []string) {
	t.Helper()
	dir = t.TempDir()
	named := regexp.MustCompile(`(?m)^(ARG BUILD_IMAGE=|SKR_IMAGE=|  sidecar: )(?:mcr\.microsoft\.com/)?([^@\n]+)(?:@\S+)?$`)
	for _, file := range []string{"Dockerfile.consumer", "Dockerfile.lab", "Dockerfile.producer", "Dockerfile.verify", "deploy/helm/values.yaml", "deploy/kubernetes/components/settings/settings.env"} {
		content, err := os.ReadFile(filepath.Join("../../..", file))
		if err != nil {
			t.Fatal(err)
		}
		if found := named.FindAllSubmatch(content, -1); len(found) != 1 {
			t.Fatalf("%s names %d images", file, len(found))
		} else if image := registry + "/" + string(found[0][2]); !slices.Contains(images, image) {
			images = append(images, image)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), named.ReplaceAll(content, []byte("${1}"+registry+"/$2")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(images)
	return dir, images
}

// all returns everything in the folder, in one text.
func all(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	err := fs.WalkDir(os.DirFS(dir), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, file))
		text.WriteString(file + "\n" + string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// push gives a tag another image, and returns its digest.
func push(t *testing.T, image string) string {
	t.Helper()
	index, err := random.Index(64, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// Without this somebody who moves a tag could have their compiler build our images, or their sidecar hold the token of our
// pods, and no file of ours would show it.
func TestPin(t *testing.T) {
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	dir, images := repository(t, strings.TrimPrefix(server.URL, "http://"))
	if byTag, err := pin.ByTag(dir); err != nil || !slices.Equal(byTag, images) {
		t.Errorf("by tag are %q, %v, want %q", byTag, err, images)
	}
	before := all(t, dir)

	// The registry has only one of them.
	first := map[string]string{images[0]: push(t, images[0])}
	if err := pin.Pin(t.Context(), dir, io.Discard); err == nil || !strings.Contains(err.Error(), images[1]) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("without %s: %v", images[1], err)
	}
	if all(t, dir) != before {
		t.Error("files were changed, although an image was not found")
	}

	first[images[1]] = push(t, images[1])
	want := before
	for _, image := range images {
		want = strings.ReplaceAll(want, image+"\n", image+"@"+first[image]+"\n")
	}
	wantPinned(t, dir, want, images, first)

	// The tags are moved.
	second := map[string]string{}
	for _, image := range images {
		second[image] = push(t, image)
		want = strings.ReplaceAll(want, first[image], second[image])
	}
	if byTag, err := pin.ByTag(dir); err != nil || len(byTag) > 0 {
		t.Errorf("by tag are still %q, %v", byTag, err)
	}
	wantPinned(t, dir, want, images, second)
	sidecar := images[0]
	if named, err := pin.Sidecar(dir); err != nil || named != sidecar+"@"+second[sidecar] {
		t.Errorf("the sidecar is %s, %v, want %s@%s", named, err, sidecar, second[sidecar])
	}

	server.Close()
	if err := pin.Pin(t.Context(), dir, io.Discard); err == nil || !strings.Contains(err.Error(), "can be reached") {
		t.Errorf("without the registry: %v", err)
	}
	if all(t, dir) != want {
		t.Error("files were changed, although the registry could not be reached")
	}
}

// wantPinned pins the images, and checks the files and what is printed.
func wantPinned(t *testing.T, dir, want string, images []string, digests map[string]string) {
	t.Helper()
	var out bytes.Buffer
	if err := pin.Pin(t.Context(), dir, &out); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for _, image := range images {
		printed.WriteString(image + "@" + digests[image] + "\n")
	}
	if out.String() != printed.String() {
		t.Errorf("it printed %s, want %s", &out, &printed)
	}
	if got := all(t, dir); got != want {
		t.Errorf("the files are now %s, want %s", got, want)
	}
}
