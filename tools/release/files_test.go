package release_test

import (
	"archive/tar"
	"errors"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// fileOf returns a file of an image.
func fileOf(t *testing.T, image v1.Image, name string) (found []byte) {
	t.Helper()
	all := mutate.Extract(image)
	defer all.Close()
	eachFile(t, all, func(file *tar.Header, content []byte) {
		if file.Name == name {
			found = content
		}
	})
	if found == nil {
		t.Fatalf("the image lacks %s", name)
	}
	return found
}

func eachFile(t *testing.T, archive io.Reader, see func(*tar.Header, []byte)) {
	t.Helper()
	for reader := tar.NewReader(archive); ; {
		file, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		see(file, content)
	}
}
