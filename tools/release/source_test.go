package release_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/tools/release"
)

// Without this a version could be one that no tool can sort, or that an image's tag cannot hold.
func TestCheckVersion(t *testing.T) {
	for _, version := range []string{"v1.2.3", "v0.0.0-ci", "v1.0.0-rc.1", "v1.2.3-4-gabcdef0"} {
		if err := release.CheckVersion(version); err != nil {
			t.Error(err)
		}
	}
	for _, version := range []string{"", "1.2.3", "v1", "v1.2", "v1.2.3+build", "v01.2.3", "latest", "v1.2.3 ", "V1.2.3", "abcdef0"} {
		if err := release.CheckVersion(version); err == nil || !strings.Contains(err.Error(), "(hint: ") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// Without this a release could contain what its commit does not, and claim that it was made from the commit.
func TestSourceIsItsCommit(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("file", "committed")
	write(".gitignore", "ignored\n")
	commit(t, dir)
	write("ignored", "")
	source, err := release.OpenSource(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := run(t, dir, "git", "rev-parse", "HEAD"); source.Commit != want || source.Time.Unix() != 1700000000 {
		t.Errorf("commit %s of %v, want %s", source.Commit, source.Time, want)
	}
	for name, change := range map[string]func(){
		"changed": func() { write("file", "changed") },
		"new":     func() { write("new", "") },
	} {
		change()
		if _, err := release.OpenSource(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "(hint: commit them)") {
			t.Errorf("with a %s file: %v", name, err)
		}
		run(t, dir, "git", "checkout", "-q", ".")
		run(t, dir, "git", "clean", "-qf")
	}
	if _, err := release.OpenSource(t.Context(), t.TempDir()); err == nil {
		t.Error("outside of a repository there was no error")
	}
}
