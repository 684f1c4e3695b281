package web

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed locales/*.toml
var locales embed.FS

// localizer gives the texts of the page in one language. The files have the format of go-i18n, whose tools work on them.
// Its package is not linked: it brings text/template, which makes the program a fifth larger.
type localizer struct {
	lang  string
	tag   language.Tag
	texts map[string]string // by id; a text with plural forms has one for each, such as id.one
}

// newLocalizers reads the texts of all languages. The first one is the default.
func newLocalizers() ([]localizer, error) {
	var all []localizer
	for _, tag := range []language.Tag{language.English, language.Japanese} {
		l := localizer{lang: tag.String(), tag: tag, texts: make(map[string]string)}
		var file map[string]any
		if _, err := toml.DecodeFS(locales, "locales/"+l.lang+".toml", &file); err != nil {
			return nil, fmt.Errorf("reading the texts of the page: %w", err)
		}
		l.add("", file)
		all = append(all, l)
	}
	return all, nil
}

func (l localizer) add(prefix string, table map[string]any) {
	for name, value := range table {
		switch value := value.(type) {
		case string:
			l.texts[prefix+name] = value
		case map[string]any:
			l.add(prefix+name+".", value)
		}
	}
}

// T returns a text with its {placeholders} filled from pairs of name and value. It is empty if there is no such text.
func (l localizer) T(id string, pairs ...string) string { return fill(l.texts[id], pairs) }

// N is T for a text with plural forms: it takes the form for n, and fills {n}, too.
func (l localizer) N(id string, n int, pairs ...string) string {
	names := [...]string{
		plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
	}
	form := names[plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)]
	return fill(l.texts[id+"."+form], append(slices.Clip(pairs), "n", strconv.Itoa(n)))
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
