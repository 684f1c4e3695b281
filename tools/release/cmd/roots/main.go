// Command roots writes the roots of TLS into the folder of an image's files, for the Dockerfiles.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"kafka-e2ee/tools/release/roots"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "roots:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, want the folder of the image's files", len(args))
	}
	file := filepath.Join(args[0], roots.File)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // everybody may read an image's files
		return err
	}
	return os.WriteFile(file, roots.PEM(), 0o644) //nolint:gosec // everybody may read an image's files
}
