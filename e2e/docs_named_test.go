package e2e_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// docs are the pages that a person follows by typing what they say.
func docs(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "lab/README.md", "deploy/azure/README.md"}
	entries, err := os.ReadDir("../docs")
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

// blocks are the code blocks of one language, as they stand in the text.
func blocks(text, language string) (found []string) {
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		if block[1] == language {
			found = append(found, block[2])
		}
	}
	return found
}

// code is everything in a page that is marked as code, one piece a line.
func code(text string) string {
	var pieces []string
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		pieces = append(pieces, block[2])
	}
	for _, piece := range inline.FindAllString(fenced.ReplaceAllString(text, ""), -1) {
		pieces = append(pieces, strings.Trim(piece, "`"))
	}
	return strings.Join(pieces, "\n")
}

// Without it a person types what a page says, and is told that there is no such target, scenario, script or file.
func TestDocsNameWhatIsThere(t *testing.T) {
	var folders []string
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		// bin is what make build makes.
		if name := entry.Name(); entry.IsDir() && !strings.HasPrefix(name, ".") && name != "bin" {
			folders = append(folders, name)
		}
	}
	makefile, scenarios := "\n"+repositoryText(t, "Makefile"), repositoryText(t, "lab/scenario.go")+`"help": {`
	targets := regexp.MustCompile(`(?m)^ *(?:[A-Z]+=\S+ )*make(?: [A-Z]+=\S*)*((?: [a-z][a-z-]*)+)`)
	scenario := regexp.MustCompile(`SCENARIO=([a-z-]+)`)
	stage := regexp.MustCompile(`\b[0-9]{2}-[a-z-]+\.sh\b`)
	file := regexp.MustCompile(`(?m)(?:^|[\s'"=(])(?:\./)?((?:` + strings.Join(folders, "|") + `)/[\w./-]*)`)
	checked := 0
	for _, page := range docs(t) {
		text := code(repositoryText(t, page))
		for _, m := range targets.FindAllStringSubmatch(text, -1) {
			for _, target := range strings.Fields(m[1]) {
				checked++
				if !strings.Contains(makefile, "\n"+target+":") {
					t.Errorf("%s: there is no target for make %s", page, target)
				}
			}
		}
		for _, m := range scenario.FindAllStringSubmatch(text, -1) {
			checked++
			if !strings.Contains(scenarios, `"`+m[1]+`": {`) {
				t.Errorf("%s: there is no scenario %s", page, m[1])
			}
		}
		names := stage.FindAllString(text, -1)
		for i := range names {
			names[i] = "deploy/azure/" + names[i]
		}
		for _, m := range file.FindAllStringSubmatch(text, -1) {
			// These two are made by whoever follows the page.
			if name := strings.TrimRight(m[1], "./"); name != "deploy/azure/env" && !strings.HasPrefix(name, "deploy/azure/state") {
				names = append(names, name)
			}
		}
		for _, name := range names {
			checked++
			_, below := os.Stat(path.Join("..", path.Dir(page), name))
			if _, err := os.Stat(path.Join("..", name)); err != nil && below != nil {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d names were found", checked)
	}
}

// pageWords are the texts that the page can show, what varies in them as a wildcard.
func pageWords(t *testing.T) (words []*regexp.Regexp) {
	t.Helper()
	varies := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for _, name := range []string{"texts_key.go", "texts_page.go", "texts_proof.go", "texts_records.go", "phrases.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), path.Join("../web", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				pattern := regexp.QuoteMeta(strings.TrimRight(text, ". "))
				if varies.ReplaceAllString(pattern, "") != "" { // one that is nothing but a wildcard says nothing
					words = append(words, regexp.MustCompile(`(?i)^`+varies.ReplaceAllString(pattern, ".+")+`$`))
				}
			}
			return true
		})
	}
	return words
}

// Without it a presenter reads out words that do not stand on the page, and the room looks for them.
func TestDocsQuoteThePage(t *testing.T) {
	words := pageWords(t)
	emphasis, brackets := regexp.MustCompile(`\*([^*\n]+)\*`), regexp.MustCompile(`『([^』\n]+)』`)
	for page, quotes := range map[string]*regexp.Regexp{"docs/demo.md": emphasis, "docs/walkthrough.md": emphasis, "docs/walkthrough.ja.md": brackets} {
		text := inline.ReplaceAllString(fenced.ReplaceAllString(repositoryText(t, page), ""), "")
		found := quotes.FindAllStringSubmatch(regexp.MustCompile(`\*\*[^*\n]+\*\*`).ReplaceAllString(text, ""), -1)
		if len(found) < 10 {
			t.Errorf("%s quotes the page %d times", page, len(found))
		}
	next:
		for _, quote := range found {
			if quote[1] == "italics" { // how the pages explain it
				continue
			}
			for _, said := range words {
				if said.MatchString(strings.TrimRight(quote[1], ".")) {
					continue next
				}
			}
			t.Errorf("%s: the page never says %q", page, quote[1])
		}
	}
}
