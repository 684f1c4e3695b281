package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Path returns the absolute path of a file or folder of the repository.
func Path(t testing.TB, name string) string {
	t.Helper()
	full, err := filepath.Abs(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// ReadFile returns a file of the repository.
func ReadFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ReplaceFile writes a file that a program follows. It replaces the file at once, as Kubernetes does: the program must not
// see half of it.
func ReplaceFile(t testing.TB, file, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

// ReadSection returns the text between the marks <!-- name --> and <!-- end --> of a document.
func ReadSection(t testing.TB, document, name string) string {
	t.Helper()
	_, section, _ := cutSection(t, document, name)
	return section
}

// WriteSection replaces that text.
func WriteSection(t testing.TB, document, name, text string) {
	t.Helper()
	before, _, after := cutSection(t, document, name)
	if err := os.WriteFile(Path(t, document), []byte(before+text+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func cutSection(t testing.TB, document, name string) (before, section, after string) {
	t.Helper()
	start, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(ReadFile(t, document), start)
	section, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no section %s", document, name)
	}
	return before + start, section, end + after
}
