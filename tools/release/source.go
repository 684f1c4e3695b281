package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"kafka-e2ee/tools/release/dist"
)

// Source is this repository as one commit has it.
type Source struct {
	Dir    string
	Commit string
	Time   time.Time // of the commit
}

// OpenSource returns the repository that the folder is in. It fails if a file differs from the commit: nobody else could
// build the same release.
func OpenSource(ctx context.Context, dir string) (Source, error) {
	changes, err := output(ctx, dir, "git", "status", "--porcelain")
	if err != nil {
		return Source{}, err
	}
	if changes != "" {
		first, _, _ := strings.Cut(changes, "\n")
		return Source{}, fmt.Errorf("a release is made from a commit, and the working tree has changes, such as %q (hint: commit them)", strings.TrimSpace(first))
	}
	facts, err := output(ctx, dir, "git", "show", "--no-patch", "--format=%H %ct", "HEAD")
	if err != nil {
		return Source{}, err
	}
	top, err := output(ctx, dir, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return Source{}, err
	}
	commit, at, _ := strings.Cut(facts, " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return Source{}, fmt.Errorf("reading the commit's time: %w", err)
	}
	return Source{Dir: top, Commit: commit, Time: time.Unix(seconds, 0).UTC()}, nil
}

// CheckVersion fails if it is not a semantic version with a leading v. Tags of images allow no build metadata (+…).
func CheckVersion(version string) error {
	if semver.Canonical(version) != version || version == "" {
		return fmt.Errorf("got the version %q, want a semantic one (hint: make release VERSION=v1.2.3)", version)
	}
	return nil
}

// tracked returns the files that git has below some folders, with the modes that git has. The working tree's modes depend
// on who cloned it.
func (s Source) tracked(ctx context.Context, folders ...string) ([]dist.File, error) {
	list, err := output(ctx, s.Dir, "git", append([]string{"ls-files", "--stage", "-z", "--"}, folders...)...)
	if err != nil {
		return nil, err
	}
	var files []dist.File
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		facts, name, _ := strings.Cut(entry, "\t")
		mode := int64(0o644)
		switch kind, _, _ := strings.Cut(facts, " "); kind {
		case "100644":
		case "100755":
			mode = 0o755
		default:
			return nil, fmt.Errorf("reading %s: got git's mode %q, want a file's", name, kind)
		}
		content, err := os.ReadFile(filepath.Join(s.Dir, name)) //nolint:gosec // a file of this repository
		if err != nil {
			return nil, err
		}
		files = append(files, dist.File{Name: name, Mode: mode, Content: content})
	}
	return files, nil
}

// output runs a command in a folder and returns what it prints, without the last line's end.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	return outputOf(exec.CommandContext(ctx, name, args...), dir) //nolint:gosec // commands of this program
}

func outputOf(cmd *exec.Cmd, dir string) (string, error) {
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("running %s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("running %s: %w", filepath.Base(cmd.Path), err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
