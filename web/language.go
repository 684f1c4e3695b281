package web

import (
	"embed"
	"net/http"

	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/pages"
)

//go:embed locales/*.toml
var locales embed.FS

// language chooses the language of an answer.
func (s *Server) language(r *http.Request) pages.Localizer {
	return pages.Localizer{Texts: s.languages.Of(r)}
}

// english is the language of the API.
func (s *Server) english() pages.Localizer { return pages.Localizer{Texts: s.languages.All()[0]} }

func (s *Server) languageLinks(l pages.Localizer, r *http.Request) []pages.LanguageLink {
	var links []pages.LanguageLink
	for _, other := range s.languages.All() {
		query := r.URL.Query()
		query.Set(locale.Param, other.Lang)
		links = append(links, pages.LanguageLink{Lang: other.Lang, Name: other.T("page.language"), Href: "?" + query.Encode(), Current: other.Lang == l.Lang})
	}
	return links
}
