package dist_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/tools/release/dist"
)

// Without this a prepared archive could write outside of the folder that it is read into.
func TestOpenImageStaysInItsFolder(t *testing.T) {
	for _, name := range []string{"../outside", "/outside", "blobs/../../outside"} {
		dir := t.TempDir()
		archive := filepath.Join(dir, "producer-v1.2.3"+dist.Extension)
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "x"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(archive, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		into := filepath.Join(dir, "into")
		if err := os.Mkdir(into, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := dist.OpenImage(archive, into); err == nil {
			t.Errorf("%s: there was no error", name)
		}
		if _, err := os.Stat(filepath.Join(dir, "outside")); err == nil {
			t.Errorf("%s was written outside of the folder", name)
		}
	}
}

// Without this the same files could give other bytes, depending on who packs them.
func TestWriteTar(t *testing.T) {
	a, b := dist.File{Name: "a/b/file", Mode: 0o755, Content: []byte("x")}, dist.File{Name: "a/own/", Mode: 0o700, Owner: 65532}
	var one, other bytes.Buffer
	if err := dist.WriteTar(&one, time.Unix(7, 0), []dist.File{a, b}); err != nil {
		t.Fatal(err)
	}
	if err := dist.WriteTar(&other, time.Unix(7, 0), []dist.File{b, a}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), other.Bytes()) {
		t.Error("the order of the files changes the archive")
	}
	var names []string
	for reader := tar.NewReader(&one); ; {
		file, err := reader.Next()
		if err != nil {
			break
		}
		names = append(names, file.Name)
		if file.ModTime.Unix() != 7 || file.Uname != "" || file.Name == "a/own/" && (file.Uid != 65532 || file.Gid != 65532) || file.Name != "a/own/" && file.Uid != 0 {
			t.Errorf("%+v", file)
		}
	}
	if got, want := strings.Join(names, " "), "a/ a/b/ a/b/file a/own/"; got != want {
		t.Errorf("it contains %s, want %s", got, want)
	}
}

// Without this a file that changed after the release was made would be published, or one that lies elsewhere.
func TestCheckSums(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantError := func(why, want string) {
		t.Helper()
		if _, err := dist.CheckSums(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", why, err, want)
		}
	}
	wantError("without a list", "make release")
	write("file", "content")
	if err := dist.WriteSums(dir); err != nil {
		t.Fatal(err)
	}
	if names, err := dist.CheckSums(dir); err != nil || len(names) != 1 || names[0] != "file" {
		t.Fatalf("%q, %v", names, err)
	}
	write("file", "changed")
	wantError("with a changed file", "checking file")
	if err := os.Remove(filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	wantError("without the file", "no such file")
	write(dist.Sums, "0  ../file\n")
	wantError("with a file elsewhere", "want one in its folder")
}
