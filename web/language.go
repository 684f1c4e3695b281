package web

import (
	"embed"
	"net/http"

	"kafka-e2ee/web/locale"
)

//go:embed locales/*.toml
var locales embed.FS

// localizer gives the texts of the page in one language.
type localizer struct{ locale.Texts }

// language chooses the language of an answer.
func (s *Server) language(r *http.Request) localizer { return localizer{s.languages.Of(r)} }

// english is the language of the API.
func (s *Server) english() localizer { return localizer{s.languages.All()[0]} }

// languageLink leads to the same page in one language.
type languageLink struct {
	Lang, Name, Href string
	Current          bool
}

func (s *Server) languageLinks(l localizer, r *http.Request) []languageLink {
	var links []languageLink
	for _, other := range s.languages.All() {
		query := r.URL.Query()
		query.Set(locale.Param, other.Lang)
		links = append(links, languageLink{Lang: other.Lang, Name: other.T("page.language"), Href: "?" + query.Encode(), Current: other.Lang == l.Lang})
	}
	return links
}
