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

// Publish checks the release in a folder against its checksums, pushes its images to the registry under their version, and
// prints what it pushed to out, one NAME:VERSION@DIGEST a line. It never replaces a version by other content.
// Then cosign signs, if it is installed: with a key, or without one as the person who signs in.
func Publish(ctx context.Context, folder, registry, key string, out, log io.Writer) error {
	names, err := dist.CheckSums(folder)
	if err != nil {
		return err
	}
	var pushed []string
	for _, file := range names {
		if !strings.HasSuffix(file, dist.Extension) {
			continue
		}
		reference, err := push(ctx, filepath.Join(folder, file), registry)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, reference); err != nil {
			return err
		}
		pushed = append(pushed, reference)
	}
	if len(pushed) == 0 {
		return fmt.Errorf("reading %s: got no image, want some (hint: make release)", folder)
	}
	return sign(ctx, folder, pushed, key, log)
}

// push pushes one image and returns its reference.
func push(ctx context.Context, archive, registry string) (string, error) {
	dir, err := os.MkdirTemp("", "publish-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	image, err := dist.OpenImage(archive, dir)
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag(fmt.Sprintf("%s/%s:%s", registry, image.Name, image.Version), name.StrictValidation)
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	there, err := remote.Head(tag, options...)
	problem, answered := errors.AsType[*transport.Error](err)
	switch {
	case err == nil && there.Digest != image.Digest:
		return "", fmt.Errorf("pushing %s: got %s there already, want %s (hint: released versions do not change; take another VERSION)", tag, there.Digest, image.Digest)
	case answered && (problem.StatusCode == http.StatusUnauthorized || problem.StatusCode == http.StatusForbidden):
		return "", fmt.Errorf("looking for %s: %w (hint: sign in, such as with docker login)", tag, err)
	case err != nil && (!answered || problem.StatusCode != http.StatusNotFound):
		return "", fmt.Errorf("looking for %s: %w", tag, err)
	}
	// By its digest first: the tag appears when all of it is there.
	if err := remote.WriteIndex(tag.Digest(image.Digest.String()), image.Index, options...); err != nil {
		return "", fmt.Errorf("pushing %s: %w", tag, err)
	}
	if err := remote.Tag(tag, image.Index, options...); err != nil {
		return "", fmt.Errorf("pushing %s: %w", tag, err)
	}
	return fmt.Sprintf("%s@%s", tag, image.Digest), nil
}
