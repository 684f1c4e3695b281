package web

import (
	"net/http"
	"strings"
	"testing"

	"kafka-e2ee/web/feed"
)

// Without this a person would get a language that nobody here asked for, and a screen reader would read it out wrongly.
func TestLanguageIsChosen(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StateDecrypted, "one"))
	for name, test := range map[string]struct{ path, accept, cookie, want, title string }{
		"nothing said": {"/", "", "", "en", "No key: no sidecar answers"},
		"browser":      {"/", "ja-JP,ja;q=0.9,en;q=0.8", "", "ja", "鍵なし"},
		"another":      {"/", "fr", "", "en", "No key"},
		"nonsense":     {"/?lang=%00", ";;;", "x y", "en", "No key"},
		"cookie":       {"/", "en", "lang=ja", "ja", "鍵なし"},
		"switch":       {"/?lang=en", "ja", "lang=ja", "en", "No key"},
		"record":       {"/records/t/0/1?lang=ja", "", "", "ja", "AKS の機密"},
		"proof":        {"/proof", "ja", "", "ja", "証明されないこと"},
		"gone":         {"/records/t/0/2", "ja", "", "ja", "このレコードは保持していません"},
	} {
		t.Run(name, func(t *testing.T) {
			_, page, header := s.get(t, test.path, "Accept-Language", test.accept, "Cookie", test.cookie)
			if !strings.Contains(page, `<html lang="`+test.want+`">`) || !strings.Contains(page, test.title) || header.Get("Content-Language") != test.want {
				t.Errorf("got %s, not in %s", header.Get("Content-Language"), test.want)
			}
			if set := header.Get("Set-Cookie"); strings.Contains(test.path, "lang=") && test.want != "en" && !strings.Contains(set, "lang="+test.want) {
				t.Errorf("the choice is not remembered: %q", set)
			}
		})
	}
	if href := s.doc(t, "/?q=one&state=plain").Find(testid("languages")+" a").AttrOr("href", ""); href != "?lang=ja&q=one&state=plain" {
		t.Errorf("the switch leads to %s", href)
	}
}

// Without this a Japanese page would say in English that it is a lab's, or not show what an operator wrote.
func TestNotice(t *testing.T) {
	for notice, want := range map[string]map[string]string{
		"":     {"en": "", "ja": ""},
		"lab":  {"en": "Lab: hardware, attestation and vault are emulated on this computer.", "ja": "ラボ: ハードウェア、構成証明、Key Vault はこのコンピューター上でエミュレートしています。"},
		"<b>x": {"en": "<b>x", "ja": "<b>x"},
	} {
		for lang, text := range want {
			s := newSite(t, 1)
			s.notices = []string{notice}
			if got := s.doc(t, "/?lang="+lang).Find(testid("notice")).Text(); got != text {
				t.Errorf("%q in %s: got %q, want %q", notice, lang, got, text)
			}
		}
	}
}

// Without this a person who is refused would have to read English, or a program would have to read Japanese.
func TestErrorsAreInTheViewersLanguage(t *testing.T) {
	s := newSite(t, 1)
	for path, want := range map[string]string{
		"/records/t/x/1":           "このアドレスには何もありません",
		"/api/records/t/0/1/value": "this record is not held here",
		"/api/nothing":             "there is nothing at this address",
	} {
		if status, body, _ := s.get(t, path, "Accept-Language", "ja"); status != http.StatusNotFound || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
}
