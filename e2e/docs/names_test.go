package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/lab/scenario"
)

// docs returns the pages with commands that people type.
func docs(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "README.ja.md", "SECURITY.md", "lab/README.md", "examples/README.md", "envelope/README.md"}
	folders, err := filepath.Glob("../../deploy/*/README.md")
	if err != nil || len(folders) < 4 {
		t.Fatalf("%d pages in deploy, %v", len(folders), err)
	}
	for _, page := range folders {
		found = append(found, strings.TrimPrefix(page, "../../"))
	}
	entries, err := os.ReadDir("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".md") {
			found = append(found, path.Join("docs", entry.Name()))
		}
	}
	return found
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```")
	inline = regexp.MustCompile("`[^`\n]+`")
)

// blocks returns the code blocks of one language.
func blocks(text, language string) (found []string) {
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		if block[1] == language {
			found = append(found, block[2])
		}
	}
	return found
}

// pieces returns all code in a page: its blocks, and what is between backquotes.
func pieces(text string) (found []string) {
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		found = append(found, block[2])
	}
	for _, piece := range inline.FindAllString(fenced.ReplaceAllString(text, ""), -1) {
		found = append(found, strings.Trim(piece, "`"))
	}
	return found
}

// exists reports whether a file that a page names in a piece of code is there. Commands are run from the root, unless the
// piece changes to the page's folder; a name alone can be below that folder, too. What is in capitals stands for
// something, such as TEE in reference-values/TEE.env.
func exists(page, piece, name string) bool {
	stands := regexp.MustCompile(`\b[A-Z]{2,}\b`)
	from := []string{"../.."}
	if !strings.ContainsAny(piece, " \n") || strings.Contains(piece, "cd "+path.Dir(page)+"\n") {
		from = append(from, path.Join("../..", path.Dir(page)))
	}
	for _, from := range from {
		if _, err := os.Stat(path.Join(from, name)); err == nil {
			return true
		}
		if found, err := filepath.Glob(path.Join(from, stands.ReplaceAllString(name, "*"))); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// subfolders returns the folders in a folder that are part of the repository.
func subfolders(t *testing.T, dir string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(path.Join("../..", dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		// "make build" creates bin, "make release" dist.
		if name := entry.Name(); entry.IsDir() && !strings.HasPrefix(name, ".") && name != "bin" && name != "dist" {
			found = append(found, name)
		}
	}
	return found
}

// Without this a page could name a target, an option of it, a scenario, script or file that does not exist.
func TestDocsNameWhatIsThere(t *testing.T) {
	makefile := "\n" + harness.ReadFile(t, "Makefile")
	targets := regexp.MustCompile(`(?m)^ *(?:[A-Z]+=\S+ )*make(?: [A-Z_]+=\S*)*((?: [a-z][a-z-]*)+)((?: [A-Z_]+=\S*)*)`)
	option := regexp.MustCompile(` ([A-Z_]+)=`)
	chosen := regexp.MustCompile(`SCENARIO=([a-z-]+)`)
	stage := regexp.MustCompile(`\b[0-9]{2}-[a-z-]+\.sh\b`)
	checked := 0
	for _, page := range docs(t) {
		folders := subfolders(t, ".")
		if strings.HasPrefix(page, "deploy/") {
			folders = append(append(folders, `\.\.`), subfolders(t, path.Dir(page))...)
		}
		file := regexp.MustCompile(`(?m)(?:^|[\s'"=(])(?:\./)?((?:` + strings.Join(folders, "|") + `)/[\w./-]*)`)
		for _, piece := range pieces(harness.ReadFile(t, page)) {
			for _, m := range targets.FindAllStringSubmatch(piece, -1) {
				for _, target := range strings.Fields(m[1]) {
					checked++
					if !strings.Contains(makefile, "\n"+target+":") {
						t.Errorf("%s: there is no target for make %s", page, target)
					}
				}
				for _, o := range option.FindAllStringSubmatch(m[2], -1) {
					checked++
					if !strings.Contains(makefile, "$("+o[1]+")") && !strings.Contains(makefile, "\nexport "+o[1]+" ") {
						t.Errorf("%s: make knows no %s", page, o[1])
					}
				}
			}
			for _, m := range chosen.FindAllStringSubmatch(piece, -1) {
				checked++
				if _, err := scenario.Find(m[1]); err != nil && m[1] != "help" {
					t.Errorf("%s: %v", page, err)
				}
			}
			names := stage.FindAllString(piece, -1)
			for i := range names {
				names[i] = "deploy/azure/" + names[i]
			}
			for _, m := range file.FindAllStringSubmatch(piece, -1) {
				// Readers of the page create these two.
				if name := strings.TrimRight(m[1], "./"); name != "deploy/azure/env" && !strings.HasPrefix(name, "deploy/azure/state") {
					names = append(names, name)
				}
			}
			for _, name := range names {
				checked++
				if !exists(page, piece, name) {
					t.Errorf("%s: there is no %s in: %s", page, name, piece)
				}
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d names were found", checked)
	}
}

// pageWords returns the texts that the pods' pages and the console can show in a language, with wildcards for placeholders.
func pageWords(t *testing.T, language string) (words []*regexp.Regexp) {
	t.Helper()
	varies := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	entry := regexp.MustCompile(`(?m)^\S+ = (".*")$`)
	texts := harness.ReadFile(t, "web/locales/"+language+".toml") + harness.ReadFile(t, "lab/console/locales/"+language+".toml")
	for _, match := range entry.FindAllStringSubmatch(texts, -1) {
		text, err := strconv.Unquote(match[1])
		if err != nil {
			t.Fatal(err)
		}
		pattern := regexp.QuoteMeta(strings.TrimRight(text, ". "))
		if varies.ReplaceAllString(pattern, "") != "" { // a text of wildcards alone matches anything
			words = append(words, regexp.MustCompile(`(?i)^`+varies.ReplaceAllString(pattern, ".+")+`$`))
		}
	}
	return words
}

// Without this a presenter would read out words that are not on the page.
func TestDocsQuoteThePage(t *testing.T) {
	quotes := map[string]*regexp.Regexp{"en": regexp.MustCompile(`\*([^*\n]+)\*`), "ja": regexp.MustCompile(`『([^』\n]+)』`)}
	words := map[string][]*regexp.Regexp{"en": pageWords(t, "en"), "ja": pageWords(t, "ja")}
	for page, language := range map[string]string{"docs/demo.md": "en", "docs/demo.ja.md": "ja", "docs/walkthrough.md": "en", "docs/walkthrough.ja.md": "ja"} {
		text := inline.ReplaceAllString(fenced.ReplaceAllString(harness.ReadFile(t, page), ""), "")
		found := quotes[language].FindAllStringSubmatch(regexp.MustCompile(`\*\*[^*\n]+\*\*`).ReplaceAllString(text, ""), -1)
		if len(found) < 10 {
			t.Errorf("%s quotes the page %d times", page, len(found))
		}
	next:
		for _, quote := range found {
			if quote[1] == "italics" { // the pages explain italics so
				continue
			}
			for _, said := range words[language] {
				if said.MatchString(strings.TrimRight(quote[1], ".")) {
					continue next
				}
			}
			t.Errorf("%s: the page never says %q", page, quote[1])
		}
	}
}
