package web

import (
	"net/http"

	"golang.org/x/text/language"
)

const langCookie = "lang"

// language chooses the language of an answer: from the address, else from the cookie, else from the Accept-Language
// header.
func (s *Server) language(r *http.Request) localizer {
	chosen := ""
	if cookie, err := r.Cookie(langCookie); err == nil {
		chosen = cookie.Value
	}
	_, at := language.MatchStrings(s.matcher, r.URL.Query().Get(langCookie), chosen, r.Header.Get("Accept-Language"))
	return s.languages[at]
}

// pageLanguage is language for a page: it names the language in a header, and keeps a choice from the address in a cookie.
func (s *Server) pageLanguage(w http.ResponseWriter, r *http.Request) localizer {
	l := s.language(r)
	if r.URL.Query().Get(langCookie) == l.lang {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // it holds a language, and a page without TLS has one, too
			Name: langCookie, Value: l.lang, Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
		})
	}
	w.Header().Set("Content-Language", l.lang)
	return l
}

// languageLink leads to the same page in one language.
type languageLink struct {
	Lang, Name, Href string
	Current          bool
}

func (s *Server) languageLinks(l localizer, r *http.Request) []languageLink {
	var links []languageLink
	for _, other := range s.languages {
		query := r.URL.Query()
		query.Set(langCookie, other.lang)
		links = append(links, languageLink{Lang: other.lang, Name: other.T("page.language"), Href: "?" + query.Encode(), Current: other.lang == l.lang})
	}
	return links
}
