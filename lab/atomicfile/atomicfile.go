// Package atomicfile replaces files that other programs read at the same time. It does not lock them: of two writers, the
// last one wins.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes the whole file or nothing. Half a key would stay forever, and a
// program that reads the file at that moment would see a damaged key.
func Write(file string, text []byte, mode fs.FileMode) error {
	draft, err := os.CreateTemp(filepath.Dir(file), ".draft-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), err)
	}
	defer os.Remove(draft.Name()) //nolint:errcheck // after the rename there is nothing to remove
	_, err = draft.Write(text)
	err = errors.Join(err, draft.Chmod(mode), draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), err)
	}
	return nil
}
