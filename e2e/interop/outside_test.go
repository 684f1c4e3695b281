package interop_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Without this, a program in a module of its own, outside this repository's workspace, could fail to build with the envelope module.
func TestModuleOutsideTheWorkspace(t *testing.T) {
	elsewhere := t.TempDir()
	for _, folder := range []string{"envelope", "examples/go-franz"} {
		if err := os.CopyFS(filepath.Join(elsewhere, folder), os.DirFS("../../"+folder)); err != nil {
			t.Fatal(err)
		}
	}
	module := filepath.Join(elsewhere, "examples/go-franz")
	for _, command := range [][]string{{"go", "mod", "tidy", "-diff"}, {"go", "vet", "./..."}, {"go", "build", "-o", filepath.Join(elsewhere, "program"), "."}} {
		run(t, module, []string{"GOWORK=off"}, command...)
	}
}
