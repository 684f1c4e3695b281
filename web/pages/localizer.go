// Package pages says in words and in HTML what is true of records, keys and Kafka.
//
//	l := pages.Localizer{Texts: texts}
//	view := pages.PageView{Layout: layout, Rows: l.Rows(records), Overview: l.Overview(summary, key, kafka, started, false)}
//	err := pages.Page(view).Render(ctx, w)
//
// It reads no request and keeps no state. A Localizer makes views out of states, and templates make HTML out of views. What
// a record, a token or a sidecar chose is shown escaped, with its invisible characters made visible. Who may see a page is
// not decided here.
package pages

import (
	"cmp"
	"strings"

	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/safetext"
)

// Localizer gives the texts of the page in one language.
type Localizer struct{ locale.Texts }

// LanguageLink leads to the same page in one language.
type LanguageLink struct {
	Lang, Name, Href string
	Current          bool
}

// Name returns the pod's name: a translated one if there is one, else the name as it is.
func (l Localizer) Name(name string) string {
	return cmp.Or(l.T("name."+name), safetext.Visible(name))
}

// JoinTitle puts the pod's name, if it has one, before the title of a page.
func JoinTitle(name, title string) string {
	if name == "" {
		return title
	}
	return name + " · " + title
}

// Notice returns the texts that codes name, or a code itself if it is a text.
func (l Localizer) Notice(codes []string) string {
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = cmp.Or(l.T("notice."+code), code)
	}
	return strings.TrimSpace(strings.Join(texts, " "))
}
