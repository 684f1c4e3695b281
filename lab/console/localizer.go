package console

import (
	"embed"
	"fmt"
	"net/http"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/text/language"
)

//go:embed locales/*.toml
var locales embed.FS

const langCookie = "lang"

// localizer gives the words of the console in one language.
type localizer struct {
	lang  string
	texts map[string]string // by id
}

// languages are all localizers. The first one is the default.
type languages struct {
	all     []localizer
	matcher language.Matcher
}

func newLanguages() (languages, error) {
	tags := []language.Tag{language.English, language.Japanese}
	l := languages{matcher: language.NewMatcher(tags)}
	for _, tag := range tags {
		one := localizer{tag.String(), make(map[string]string)}
		var file map[string]any
		if _, err := toml.DecodeFS(locales, "locales/"+one.lang+".toml", &file); err != nil {
			return l, fmt.Errorf("reading the words of the console: %w", err)
		}
		one.add("", file)
		l.all = append(l.all, one)
	}
	return l, nil
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

// T returns a text with its {placeholders} filled from pairs of name and value, in one pass: a value with braces in it
// stays as it is. It is empty if there is no such text.
func (l localizer) T(id string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(l.texts[id])
}

// or returns the text of an id, or what the demo says in English.
func (l localizer) or(id, english string) string {
	if text, ok := l.texts[id]; ok {
		return text
	}
	return english
}

// of chooses the language of an answer: from the address, else from the cookie, which the pods' pages set as well, else
// from the browser's wish.
func (l languages) of(r *http.Request) localizer {
	chosen := ""
	if cookie, err := r.Cookie(langCookie); err == nil {
		chosen = cookie.Value
	}
	_, at := language.MatchStrings(l.matcher, r.URL.Query().Get(langCookie), chosen, r.Header.Get("Accept-Language"))
	return l.all[at]
}

// keep keeps a choice from the address in a cookie.
func (l localizer) keep(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get(langCookie) == l.lang {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // it holds a language, and there is no TLS on loopback
			Name: langCookie, Value: l.lang, Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
}
