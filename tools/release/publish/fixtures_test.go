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
)

type localRegistry struct {
	address          string
	requests, writes atomic.Int64
}

// newRegistry starts a registry with nothing in it.
func newRegistry(t *testing.T) *localRegistry {
	t.Helper()
	r := new(localRegistry)
	handler := registry.New()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.requests.Add(1)
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			r.writes.Add(1)
		}
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://") + "/team"
	return r
}

// newRelease returns the folder of a small release, made for a registry: images with random layers, and one other file.
func newRelease(t *testing.T, madeFor string, images ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "provenance"), 0o700); err != nil {
		t.Fatal(err)
	}
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
		statement := fmt.Sprintf(`{"predicate":{"buildDefinition":{"externalParameters":{"REGISTRY":%q,"VERSION":%q}}}}`, madeFor, version)
		if err := os.WriteFile(filepath.Join(dir, "provenance", filepath.Base(file.Name())+".intoto.json"), []byte(statement), 0o600); err != nil {
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
