package dist

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Sums is the file with the checksums of all others, as sha256sum writes and checks it.
const Sums = "SHA256SUMS"

// WriteSums writes the checksums of all files in the folder.
func WriteSums(dir string) error {
	var text bytes.Buffer
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == Sums {
			return err
		}
		sum, err := Sum(filepath.Join(dir, name))
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
		return err
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, Sums), text.Bytes(), 0o644) //nolint:gosec // a release is public
}

// Sum returns a file's SHA-256 in hexadecimal.
func Sum(name string) (string, error) {
	file, err := os.Open(name) //nolint:gosec // the caller's file
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// CheckSums fails if a file in the folder's list is missing or has changed, and returns the names of all.
func CheckSums(dir string) ([]string, error) {
	list, err := os.Open(filepath.Join(dir, Sums)) //nolint:gosec // the caller's folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (hint: make release)", err)
	}
	if err != nil {
		return nil, err
	}
	defer list.Close() //nolint:errcheck // only read
	var names []string
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("reading %s: got the name %q, want one in its folder", Sums, name)
		}
		got, err := Sum(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if got != want {
			return nil, fmt.Errorf("checking %s: got SHA-256 %s, want %s (hint: make release again)", name, got, want)
		}
		names = append(names, name)
	}
	return names, lines.Err()
}
