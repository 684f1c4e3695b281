// Package publish pushes a release's images to a registry and has cosign sign them. Nothing else in this repository
// publishes anything.
package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"kafka-e2ee/tools/release/dist"
)

// Request says what to publish, and where to.
type Request struct {
	Folder   string // of the release
	Registry string // such as registry.example/team: the one that the release was made for
	Version  string // the release's; empty: whichever it is
	Key      string // cosign's; empty: it signs as the person who signs in
}

// Publish checks the release in a folder against its checksums, pushes its images to the registry under their version, and
// prints what it pushed to out, one NAME:VERSION@DIGEST a line. If any image's version has other content in the registry,
// it pushes none. Only a registry with immutable tags prevents that two who publish at once replace each other's version.
// Then cosign signs, if it is installed.
func Publish(ctx context.Context, r Request, out, log io.Writer) error {
	names, err := dist.CheckSums(r.Folder)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "publish-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // a temporary folder
	var images []tagged
	for _, file := range names {
		if !strings.HasSuffix(file, dist.Extension) {
			continue
		}
		image, err := r.open(file, filepath.Join(work, file))
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	if len(images) == 0 {
		return fmt.Errorf("reading %s: got no image, want some (hint: make release)", r.Folder)
	}
	// All of them first: a release is not published in part because one of its images cannot be.
	for _, image := range images {
		if err := image.check(ctx); err != nil {
			return err
		}
	}
	var pushed []string
	for _, image := range images {
		reference, err := image.push(ctx)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, reference); err != nil {
			return err
		}
		pushed = append(pushed, reference)
	}
	return sign(ctx, r.Folder, pushed, r.Key, log)
}

// tagged is an image and its name in the registry.
type tagged struct {
	dist.Image
	tag name.Tag
}

// open extracts an image of the release into a new folder.
func (r Request) open(file, dir string) (tagged, error) {
	if err := r.checkMadeFor(file); err != nil {
		return tagged{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return tagged{}, err
	}
	image, err := dist.OpenImage(filepath.Join(r.Folder, file), dir)
	if err != nil {
		return tagged{}, err
	}
	tag, err := name.NewTag(fmt.Sprintf("%s/%s:%s", r.Registry, image.Name, image.Version), name.StrictValidation)
	return tagged{image, tag}, err
}

// check fails if the image's version is in the registry with other content.
func (i tagged) check(ctx context.Context) error {
	there, err := remote.Head(i.tag, options(ctx)...)
	problem, answered := errors.AsType[*transport.Error](err)
	switch {
	case err == nil && there.Digest != i.Digest:
		return fmt.Errorf("pushing %s: got %s there already, want %s (hint: released versions do not change; take another VERSION)", i.tag, there.Digest, i.Digest)
	case answered && (problem.StatusCode == http.StatusUnauthorized || problem.StatusCode == http.StatusForbidden):
		return fmt.Errorf("looking for %s: %w (hint: sign in, such as with docker login)", i.tag, err)
	case err != nil && (!answered || problem.StatusCode != http.StatusNotFound):
		return fmt.Errorf("looking for %s: %w", i.tag, err)
	}
	return nil
}

// push pushes the image and returns its reference.
func (i tagged) push(ctx context.Context) (string, error) {
	// By its digest first: the tag appears when all of it is there.
	if err := remote.WriteIndex(i.tag.Digest(i.Digest.String()), i.Index, options(ctx)...); err != nil {
		return "", fmt.Errorf("pushing %s: %w", i.tag, err)
	}
	if err := remote.Tag(i.tag, i.Index, options(ctx)...); err != nil {
		return "", fmt.Errorf("pushing %s: %w", i.tag, err)
	}
	return fmt.Sprintf("%s@%s", i.tag, i.Digest), nil
}

func options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}
