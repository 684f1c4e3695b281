package containers_test

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this nobody could check that an image matches its commit. Attestation depends on that: measurements are
// computed from the image's layers. This test checks that no metadata in a layer changes from build to build; the next
// one compares the files.
//
// It does not build twice: without its cache BuildKit compiles everything for minutes, and the next build has to do so
// again.
func TestImagesHoldNoTimeAndNoOwner(t *testing.T) {
	buildImages(t)
	for _, program := range []string{"producer", "consumer", "verify"} {
		last := ""
		for _, file := range filesOf(t, image(program)) {
			if file.ModTime.Unix() != 0 || file.Uid != 0 || file.Gid != 0 {
				t.Errorf("%s: %s is of %v and belongs to %d:%d", program, file.Name, file.ModTime, file.Uid, file.Gid)
			}
			if file.Name <= last {
				t.Errorf("%s: %s stands after %s", program, file.Name, last)
			}
			last = file.Name
		}
	}
}

// Without this somebody who builds the programs could not tell whether the images hold the same ones: with another
// folder, another cache and no container.
func TestMakeBuildGivesWhatTheImagesHold(t *testing.T) {
	t.Parallel()
	buildImages(t)
	copied := copyOfTree(t)
	for program, name := range map[string]string{"producer": "produce", "consumer": "consume", "verify": "verify"} {
		t.Run(program, func(t *testing.T) {
			held := contentOf(t, image(program), name)
			info, err := buildinfo.Read(bytes.NewReader(held))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("make", "build", "VERSION=v-of-the-test", "COMMIT=c-of-the-test")
			cmd.Dir = copied
			// The image's release of Go, and its platform if this machine has another one.
			cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+info.GoVersion)
			for _, s := range info.Settings {
				if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "GOAMD64" || s.Key == "GOARM64" {
					cmd.Env = append(cmd.Env, s.Key+"="+s.Value)
				}
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			built, err := os.ReadFile(filepath.Join(copied, "bin", name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(built, held) {
				t.Error("make build gives another program than the image holds")
			}
		})
	}
}

// copyOfTree returns a folder with a copy of this working tree.
func copyOfTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("bash", "-o", "pipefail", "-c",
		`tar -C ../.. --exclude=./.git --exclude=./.cache --exclude=./bin --exclude=./dist -c . | tar -C "$1" -x`, "copy", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// filesOf lists the files in an image's layers.
func filesOf(t testing.TB, image string) (files []*tar.Header) {
	t.Helper()
	eachFile(t, image, func(file *tar.Header, _ io.Reader) { files = append(files, file) })
	if len(files) == 0 {
		t.Fatalf("%s is empty", image)
	}
	return files
}

// contentOf returns a file of an image.
func contentOf(t testing.TB, image, name string) (content []byte) {
	t.Helper()
	eachFile(t, image, func(file *tar.Header, r io.Reader) {
		var err error
		if strings.TrimPrefix(file.Name, "./") != name {
			return
		}
		if content, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	})
	if content == nil {
		t.Fatalf("%s holds no %s", image, name)
	}
	return content
}

func eachFile(t testing.TB, image string, see func(*tar.Header, io.Reader)) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "image.tar")
	harness.Docker(t, "image", "save", "--output", archive, image)
	blobs := map[string][]byte{}
	text, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	walk(t, text, func(file *tar.Header, r io.Reader) {
		if blobs[file.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	})
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(blobs["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	for _, layer := range manifest[0].Layers {
		walk(t, blobs[layer], see)
	}
}

func walk(t testing.TB, archive []byte, see func(*tar.Header, io.Reader)) {
	t.Helper()
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		file, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		see(file, reader)
	}
}
