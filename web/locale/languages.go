package locale

import (
	"io/fs"
	"net/http"

	"golang.org/x/text/language"
)

// Param is the parameter of an address that chooses a language, and the cookie that keeps the choice. All pages of a host
// share it.
const Param = "lang"

// Languages are the texts in all languages.
type Languages struct {
	all     []Texts
	matcher language.Matcher
}

// Read reads the texts of all languages.
func Read(files fs.FS) (Languages, error) {
	tags := []language.Tag{language.English, language.Japanese}
	l := Languages{matcher: language.NewMatcher(tags)}
	for _, tag := range tags {
		texts, err := read(files, tag)
		if err != nil {
			return Languages{}, err
		}
		l.all = append(l.all, texts)
	}
	return l, nil
}

// All returns the texts in each language. The first one, English, is the default.
func (l Languages) All() []Texts { return l.all }

// Of chooses the language of an answer: from the address, else from the cookie, else from the Accept-Language header.
func (l Languages) Of(r *http.Request) Texts {
	chosen := ""
	if cookie, err := r.Cookie(Param); err == nil {
		chosen = cookie.Value
	}
	_, at := language.MatchStrings(l.matcher, r.URL.Query().Get(Param), chosen, r.Header.Get("Accept-Language"))
	return l.all[at]
}

// OfPage is Of for a page: it names the language in a header, and keeps a choice from the address in a cookie.
func (l Languages) OfPage(w http.ResponseWriter, r *http.Request) Texts {
	t := l.Of(r)
	if r.URL.Query().Get(Param) == t.Lang {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // it holds a language, and a page without TLS has one, too
			Name: Param, Value: t.Lang, Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
		})
	}
	w.Header().Set("Content-Language", t.Lang)
	return t
}
