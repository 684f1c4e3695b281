// Package locale gives the texts of a page in English and Japanese, and chooses the language of an answer.
//
//	languages, err := locale.Read(files) // locales/en.toml and locales/ja.toml
//	text := languages.Of(request).T("page.title")
//
// The files have the format of go-i18n, whose tools work on them. Its package is not linked: it brings text/template, which
// makes a program a fifth larger.
package locale

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Texts are the texts of a page in one language.
type Texts struct {
	Lang string // as in HTML: en or ja

	tag  language.Tag
	byID map[string]string // a text with plural forms has one for each, such as id.one
}

// read reads the texts of a language.
func read(files fs.FS, tag language.Tag) (Texts, error) {
	t := Texts{Lang: tag.String(), tag: tag, byID: make(map[string]string)}
	var file map[string]any
	if _, err := toml.DecodeFS(files, "locales/"+t.Lang+".toml", &file); err != nil {
		return t, fmt.Errorf("reading the texts of the page: %w", err)
	}
	t.add("", file)
	return t, nil
}

func (t Texts) add(prefix string, table map[string]any) {
	for name, value := range table {
		switch value := value.(type) {
		case string:
			t.byID[prefix+name] = value
		case map[string]any:
			t.add(prefix+name+".", value)
		}
	}
}

// IDs returns the ids of all texts, sorted.
func (t Texts) IDs() []string {
	ids := make([]string, 0, len(t.byID))
	for id := range t.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// T returns a text with its {placeholders} filled from pairs of name and value. It is empty if there is no such text.
func (t Texts) T(id string, pairs ...string) string { return fill(t.byID[id], pairs) }

// N is T for a text with plural forms: it takes the form for n, and fills {n}, too.
func (t Texts) N(id string, n int, pairs ...string) string {
	names := [...]string{
		plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
	}
	form := names[plural.Cardinal.MatchPlural(t.tag, n, 0, 0, 0, 0)]
	return fill(t.byID[id+"."+form], append(slices.Clip(pairs), "n", strconv.Itoa(n)))
}

// fill replaces each {name} in one pass, so that a value with braces in it stays as it is.
func fill(text string, pairs []string) string {
	if len(pairs) == 0 {
		return text
	}
	var filled strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		filled.WriteString(before)
		if !found {
			return filled.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		filled.WriteString(lookUp(name, pairs))
		text = after
	}
}

// lookUp returns the value after a name in pairs. A name without one stays a placeholder.
func lookUp(name string, pairs []string) string {
	for pair := range slices.Chunk(pairs, 2) {
		if pair[0] == name {
			return pair[1]
		}
	}
	return "{" + name + "}"
}
