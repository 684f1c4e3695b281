package release_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/tools/release/dist"
)

const (
	version  = "v1.2.3"
	registry = "registry.test/team"
)

// Without this nobody could check that a release was made from its commit: somebody who makes it again would get other
// bytes. And what people download could be for another machine, lack a file, or say another version.
func TestRelease(t *testing.T) {
	first := clone(t, filepath.Join(t.TempDir(), "first"))
	sidecar := pinSidecar(t, first)
	commit(t, first)
	second := filepath.Join(t.TempDir(), "another", "folder")
	run(t, first, "git", "clone", "--quiet", first, second)
	lines := func(dir string) []string {
		content, err := os.ReadFile(filepath.Join(dir, "dist", dist.Sums))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(content), "\n")
	}
	if said := makeRelease(t, first); strings.Contains(said, "aci/skr") || !strings.Contains(said, "names golang:") {
		t.Errorf("it does not say exactly which images are named by tag: %s", said)
	}
	// Another user, who lives elsewhere, lets nobody read their files, and builds their own programs with other settings.
	makeRelease(t, second, "TZ=Pacific/Auckland", "LC_ALL=C", "USER=somebody",
		"GOFLAGS=-tags=another", "GOARM64=v8.1", "GOFIPS140=latest", "GOEXPERIMENT=nogreenteagc")
	one, other := lines(first), lines(second)
	for _, line := range other {
		if !slices.Contains(one, line) {
			t.Errorf("the same commit gives elsewhere %s", line)
		}
	}
	if len(one) != len(other) {
		t.Errorf("the same commit gives %d files, and elsewhere %d", len(one), len(other))
	}

	d := made{dir: filepath.Join(first, "dist"), commit: run(t, first, "git", "rev-parse", "HEAD"), sidecar: sidecar}
	names, err := dist.CheckSums(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	d.names = names
	t.Run("images", d.images)
	t.Run("verify", d.verify)
	t.Run("manifests", d.manifests)
	t.Run("chart", d.chart)
	t.Run("notices", d.notices)
	t.Run("provenance", d.provenance)
	t.Run("publish", d.publish)
	t.Run("checksums", func(t *testing.T) {
		if _, err := exec.LookPath("sha256sum"); err == nil { // Linux has it: the documents tell people to use it
			run(t, d.dir, "sha256sum", "--check", "--strict", "--quiet", dist.Sums)
		}
		err := filepath.WalkDir(d.dir, func(file string, entry os.DirEntry, err error) error {
			name, relErr := filepath.Rel(d.dir, file)
			if err == nil && !entry.IsDir() && name != dist.Sums && !slices.Contains(d.names, name) {
				t.Errorf("%s is not in the list", name)
			}
			return errors.Join(err, relErr)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// made is a release that the test made.
type made struct {
	dir, commit string
	names       []string
	sidecar     string // the digest of its image
}

func (d made) path(name string) string { return filepath.Join(d.dir, name) }

func (d made) read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func (d made) open(t *testing.T, name string) dist.Image {
	t.Helper()
	image, err := dist.OpenImage(d.path(name+"-"+version+dist.Extension), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return image
}
