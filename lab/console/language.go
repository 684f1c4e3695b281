package console

import (
	"cmp"
	"embed"
	"net/http"

	"kafka-e2ee/web/locale"
)

//go:embed locales/*.toml
var locales embed.FS

// localizer gives the words of the console in one language.
type localizer struct{ locale.Texts }

// or returns the text of an id, or what the demo says in English.
func (l localizer) or(id, english string) string { return cmp.Or(l.T(id), english) }

// language chooses the language of an answer. The pods' pages, on the same host, share the choice.
func (c *Console) language(r *http.Request) localizer { return localizer{c.languages.Of(r)} }

// english is for what is not shown.
func (c *Console) english() localizer { return localizer{c.languages.All()[0]} }
