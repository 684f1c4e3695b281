package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kafka-e2ee/tools/release/roots"
)

// notices returns the licences of everything that the programs and images contain: each of them requires that its text is
// distributed with the program. "make licenses" checks which licences there are.
func (r *release) notices(ctx context.Context) ([]byte, error) {
	folders := map[string]string{} // by module and version
	for module, names := range modules() {
		var paths []string
		for _, p := range r.programs {
			if slices.Contains(names, p.name) {
				for _, m := range linked(p.info) {
					paths = append(paths, m.Path)
				}
			}
		}
		if err := moduleFolders(ctx, folders, filepath.Join(r.Dir, module), paths); err != nil {
			return nil, err
		}
	}
	if err := moduleFolders(ctx, folders, filepath.Join(r.Dir, "tools/release"), []string{roots.Module}); err != nil {
		return nil, err
	}
	goroot, err := output(ctx, r.Dir, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}

	var text bytes.Buffer
	fmt.Fprintf(&text, "The programs and images of kafka-e2ee %s contain the following works of others.\n", r.version)
	if err := addLicences(&text, "Go's standard library "+r.programs[0].info.GoVersion, goroot, 1); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		if err := addLicences(&text, name, folders[name], -1); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// moduleFolders adds where the modules are that the module in dir requires.
func moduleFolders(ctx context.Context, folders map[string]string, dir string, paths []string) error {
	slices.Sort(paths)
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"}, slices.Compact(paths)...)...) //nolint:gosec // a command of this program
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	list, err := outputOf(cmd, dir)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(list, "\n") {
		name, folder, _ := strings.Cut(line, "\t")
		if folder == "" {
			return fmt.Errorf("looking for the licence of %s: it is not in the module cache (hint: go mod download)", name)
		}
		folders[name] = folder
	}
	return nil
}

// addLicences appends the texts of the licences in a folder and, to that depth, in the folders in it: modules contain works
// of others, too.
func addLicences(text *bytes.Buffer, name, folder string, depth int) error {
	licence := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)
	found := false
	tree := os.DirFS(folder)
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || depth >= 0 && file != "." && strings.Count(file, "/")+1 >= depth):
			return fs.SkipDir
		case entry.IsDir() || !licence.MatchString(entry.Name()):
			return nil
		}
		content, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(text, "\n==== %s: %s\n\n%s\n", name, file, bytes.TrimSpace(content))
		return nil
	})
	if err == nil && !found {
		err = errors.New("there is none")
	}
	if err != nil {
		return fmt.Errorf("reading the licence of %s: %w", name, err)
	}
	return nil
}
