// Package pin names third-party images by digest: the compiler's in the Dockerfiles, and the sidecar's in the manifests. A
// tag can be moved to another image, a digest cannot.
//
// The digests are written into files, for a commit. So a release depends on its commit only, and not on what a registry
// answers on the day.
package pin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// place is a line of this repository that names a third-party image.
type place struct{ file, before string } // before the image's name

func places() []place {
	return []place{
		{"Dockerfile.consumer", "ARG BUILD_IMAGE="},
		{"Dockerfile.lab", "ARG BUILD_IMAGE="},
		{"Dockerfile.producer", "ARG BUILD_IMAGE="},
		{"Dockerfile.verify", "ARG BUILD_IMAGE="},
		{"deploy/helm/values.yaml", "  sidecar: "},
		sidecar(),
	}
}

func sidecar() place {
	return place{"deploy/kubernetes/components/settings/settings.env", "SKR_IMAGE="}
}

// Pin looks up the digest that each image's tag has now, writes it into the files of the repository in dir, and prints the
// images. If a registry cannot be reached or has no such image, it changes nothing.
func Pin(ctx context.Context, dir string, out io.Writer) error {
	pinned := map[string]string{} // by the names without a digest
	contents := map[string][]byte{}
	for _, p := range places() {
		content, image, err := p.read(dir)
		if err != nil {
			return err
		}
		tag, _, _ := strings.Cut(image, "@")
		if pinned[tag] == "" {
			digest, err := lookUp(ctx, tag)
			if err != nil {
				return fmt.Errorf("looking up %s: %w: nothing was changed (hint: run this where its registry can be reached)", tag, err)
			}
			pinned[tag] = tag + "@" + digest
		}
		contents[p.file] = bytes.Replace(content, []byte("\n"+p.before+image+"\n"), []byte("\n"+p.before+pinned[tag]+"\n"), 1)
	}
	for file, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil { //nolint:gosec // a file of this repository
			return err
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(pinned)) {
		if _, err := fmt.Fprintln(out, pinned[tag]); err != nil {
			return err
		}
	}
	return nil
}

// ByTag returns the images that the repository in dir names without a digest.
func ByTag(dir string) (images []string, err error) {
	for _, p := range places() {
		_, image, err := p.read(dir)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(image, "@") && !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	slices.Sort(images)
	return images, nil
}

// Sidecar returns the sidecar's image, as the repository in dir names it.
func Sidecar(dir string) (string, error) {
	_, image, err := sidecar().read(dir)
	return image, err
}

// read returns the file's content, and the image that its one such line names.
func (p place) read(dir string) (content []byte, image string, err error) {
	content, err = os.ReadFile(filepath.Join(dir, p.file)) //nolint:gosec // a file of this repository
	if err != nil {
		return nil, "", err
	}
	found := regexp.MustCompile(`\n`+regexp.QuoteMeta(p.before)+`(\S+)\n`).FindAllSubmatch(content, -1)
	if len(found) != 1 {
		return nil, "", fmt.Errorf("reading %s: got %d lines %q, want 1", p.file, len(found), p.before)
	}
	image = string(found[0][1])
	if _, err := name.ParseReference(image); err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", p.file, err)
	}
	return content, image, nil
}

// lookUp returns the digest that a tag has now, computed from what the registry serves: the digest of the index, if the
// image is for several platforms.
func lookUp(ctx context.Context, image string) (string, error) {
	tag, err := name.NewTag(image)
	if err != nil {
		return "", err
	}
	served, err := remote.Get(tag, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return "", err
	}
	return served.Digest.String(), nil
}
