package web

import (
	"maps"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

// text is one text of the page in each of its languages.
type text struct{ en, ja string }

// words are all texts of the page in one language.
type words struct {
	lang    string
	texts   map[string]string
	phrases map[string]string // what the consumer hands in as fixed English phrases; one that is not here stays English
	endings map[string]string // of those that begin with an address
}

// say gives a text with its {placeholders} filled, from pairs of name and value.
func (w words) say(id string, pairs ...string) string {
	text := w.texts[id]
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

// phrase gives a fixed phrase of the consumer's in this language.
func (w words) phrase(english string) string {
	if text, ok := w.phrases[strings.TrimSpace(english)]; ok {
		return text
	}
	for ending, text := range w.endings {
		if address, ok := strings.CutSuffix(english, ending); ok {
			return address + text
		}
	}
	return english
}

// languages are those of the page, the usual one first.
func languages() []words {
	english, japanese := words{lang: "en", texts: make(map[string]string)}, words{lang: "ja", texts: make(map[string]string), phrases: phrases(), endings: endings()}
	for id, t := range table() {
		english.texts[id], japanese.texts[id] = t.en, t.ja
	}
	return []words{english, japanese}
}

// table joins the parts of the one table of texts.
func table() map[string]text {
	all := pageTexts()
	maps.Copy(all, recordTexts())
	maps.Copy(all, keyTexts())
	maps.Copy(all, proofTexts())
	return all
}

const langCookie = "lang"

// language chooses: what the address says, else what was chosen before, else what the browser asks for.
func (s *Server) language(r *http.Request) words {
	chosen := ""
	if cookie, err := r.Cookie(langCookie); err == nil {
		chosen = cookie.Value
	}
	_, at := language.MatchStrings(s.matcher, r.URL.Query().Get(langCookie), chosen, r.Header.Get("Accept-Language"))
	return s.languages[at]
}

// speak is the language of a page, which it remembers if the address chose it.
func (s *Server) speak(w http.ResponseWriter, r *http.Request) words {
	words := s.language(r)
	if r.URL.Query().Get(langCookie) == words.lang {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // it holds a language, and a page without TLS has one, too
			Name: langCookie, Value: words.lang, Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
		})
	}
	w.Header().Set("Content-Language", words.lang)
	return words
}

// otherLanguage is the switch to one language, on the page that is being looked at.
type otherLanguage struct {
	Lang, Name, Href string
	Current          bool
}

func (s *Server) switches(w words, r *http.Request) []otherLanguage {
	var list []otherLanguage
	for _, l := range s.languages {
		query := r.URL.Query()
		query.Set(langCookie, l.lang)
		list = append(list, otherLanguage{Lang: l.lang, Name: l.say("language"), Href: "?" + query.Encode(), Current: l.lang == w.lang})
	}
	return list
}
