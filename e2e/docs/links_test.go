package docs_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// repositoryFiles returns the names of all files in the repository with that ending.
func repositoryFiles(t *testing.T, ending string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ending) {
			found = append(found, name)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d files, %v", len(found), err)
	}
	return found
}

// anchor returns the link target of a heading.
func anchor(heading string) string {
	kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(strings.TrimSpace(kept), " ", "-")
}

// Without this a reader could follow a link to nowhere, just when something does not work.
func TestLocalLinks(t *testing.T) {
	headings := regexp.MustCompile(`(?m)^#+ (.*)$`)
	code := regexp.MustCompile("(?ms)^```.*?^```")
	checked := 0
	for _, file := range repositoryFiles(t, ".md") {
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(code.ReplaceAllString(harness.ReadFile(t, file), ""), -1) {
			target, section, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			to := file
			if target != "" {
				to = path.Join(path.Dir(file), target)
			}
			if _, err := os.Stat(path.Join("../..", to)); err != nil {
				t.Errorf("%s links to %s: %v", file, link[1], err)
				continue
			}
			if section == "" {
				continue
			}
			found := false
			for _, heading := range headings.FindAllStringSubmatch(harness.ReadFile(t, to), -1) {
				found = found || anchor(heading[1]) == section
			}
			if !found {
				t.Errorf("%s links to %s: there is no such heading", file, link[1])
			}
		}
	}
	if checked == 0 {
		t.Error("no link was found")
	}
}

// Without this the threat model could name a test that no longer exists.
func TestThreatModelNamesTests(t *testing.T) {
	var tests strings.Builder
	for _, file := range repositoryFiles(t, "_test.go") {
		tests.WriteString(harness.ReadFile(t, file))
	}
	model := harness.ReadFile(t, "SECURITY.md")
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|.*\|(.*)\|(.*)\|$`).FindAllStringSubmatch(model, -1)
	if len(rows) < 20 {
		t.Fatalf("%d assumptions", len(rows))
	}
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) || len(row[2]) < 3 || len(row[3]) < 3 {
			t.Errorf("assumption %d is missing or not complete: %s", i+1, row[0])
		}
	}
	for _, name := range regexp.MustCompile("`((Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(model, -1) {
		if !strings.Contains(tests.String(), "func "+name[1]+"(") {
			t.Errorf("there is no test %s", name[1])
		}
	}
}
