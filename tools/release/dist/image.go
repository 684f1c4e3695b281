package dist

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Extension ends the name of an image's archive, which is NAME-VERSION followed by it.
const Extension = ".oci.tar"

// reference is the annotation that names an image in an OCI layout.
const reference = "org.opencontainers.image.ref.name"

// WriteImage writes an archive of an OCI layout that contains one image, for several platforms, under the name of its
// version.
func WriteImage(w io.Writer, at time.Time, image v1.ImageIndex, version string) error {
	dir, err := os.MkdirTemp("", "layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	written, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := written.AppendIndex(image, layout.WithAnnotations(map[string]string{reference: version})); err != nil {
		return err
	}
	var files []File
	tree := os.DirFS(dir)
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		files = append(files, File{Name: name, Mode: 0o644, Content: content})
		return err
	})
	if err != nil {
		return err
	}
	return WriteTar(w, at, files)
}

// Image is an image read from its archive.
type Image struct {
	Name, Version string
	Index         v1.ImageIndex
	Digest        v1.Hash
}

// OpenImage extracts an archive that WriteImage wrote into the folder, and opens the image in it.
func OpenImage(archive, dir string) (Image, error) {
	image, err := openImage(archive, dir)
	if err != nil {
		return Image{}, fmt.Errorf("reading %s: %w", filepath.Base(archive), err)
	}
	return image, nil
}

func openImage(archive, dir string) (Image, error) {
	if err := extract(archive, dir); err != nil {
		return Image{}, err
	}
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return Image{}, err
	}
	list, err := all.IndexManifest()
	if err != nil {
		return Image{}, err
	}
	if len(list.Manifests) != 1 {
		return Image{}, fmt.Errorf("got %d images, want 1", len(list.Manifests))
	}
	one := list.Manifests[0]
	image, err := all.ImageIndex(one.Digest)
	if err != nil {
		return Image{}, err
	}
	version := one.Annotations[reference]
	name, rest, _ := strings.Cut(filepath.Base(archive), "-")
	if version == "" || rest != version+Extension {
		return Image{}, fmt.Errorf("got the version %q in it, want the one in its name", version)
	}
	return Image{Name: name, Version: version, Index: image, Digest: one.Digest}, nil
}

// extract writes an archive's files below the folder. The root keeps them in it, whatever their names are.
func extract(archive, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()            //nolint:errcheck // opened for writing files, which are closed
	file, err := os.Open(archive) //nolint:gosec // the caller's file
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := root.MkdirAll(path.Dir(header.Name), 0o700); err != nil {
			return err
		}
		to, err := root.OpenFile(header.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, reader) //nolint:gosec // not compressed: no longer than the archive
		if err := errors.Join(err, to.Close()); err != nil {
			return err
		}
	}
}
