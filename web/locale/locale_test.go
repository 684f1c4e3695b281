package locale

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

func testLanguages(t *testing.T) Languages {
	t.Helper()
	languages, err := Read(fstest.MapFS{
		"locales/en.toml": {Data: []byte("[a]\nb = \"English\"\n[n]\none = \"{n} of {all}\"\nother = \"{n} of all {all}\"")},
		"locales/ja.toml": {Data: []byte("[a]\nb = \"日本語\"\n[n]\nother = \"{all} 中 {n}\"")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return languages
}

// Without this a page would be in a language that nobody asked for, or forget which one was chosen.
func TestLanguageOfARequest(t *testing.T) {
	l := testLanguages(t)
	for name, test := range map[string]struct{ path, cookie, accept, want, kept string }{
		"nothing said":       {"/", "", "", "English", ""},
		"the browser's wish": {"/", "", "ja-JP,ja;q=0.9,en;q=0.8", "日本語", ""},
		"an earlier choice":  {"/", "ja", "en", "日本語", ""},
		"a choice":           {"/?lang=en", "ja", "ja", "English", "en"},
		"another language":   {"/?lang=fr", "fr", "fr", "English", ""},
		"nonsense":           {"/?lang=%00", "%%", ";;;", "English", ""},
	} {
		r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, http.NoBody), httptest.NewRecorder()
		r.Header.Set("Accept-Language", test.accept)
		if test.cookie != "" {
			r.AddCookie(&http.Cookie{Name: Param, Value: test.cookie})
		}
		got := l.OfPage(w, r)
		kept := ""
		for _, c := range w.Result().Cookies() {
			kept = c.Value
		}
		if got.T("a.b") != test.want || l.Of(r).Lang != got.Lang || w.Header().Get("Content-Language") != got.Lang || kept != test.kept {
			t.Errorf("%s: %s, named %s, kept %q", name, got.T("a.b"), w.Header().Get("Content-Language"), kept)
		}
	}
}

// Without this a page would say "1 of all 1", or nothing.
func TestPlural(t *testing.T) {
	all := testLanguages(t).All()
	for i, want := range [][]string{{"0 of all 5", "1 of 5", "2 of all 5"}, {"5 中 0", "5 中 1", "5 中 2"}} {
		for n := range 3 {
			if got := all[i].N("n", n, "all", "5"); got != want[n] {
				t.Errorf("got %q, want %q", got, want[n])
			}
		}
	}
	if got := all[0].T("no.such.text"); got != "" {
		t.Errorf("a text that there is not: %q", got)
	}
}

// Without this a value that a writer chose could stand for another one, or a text would end in front of a brace.
func TestFill(t *testing.T) {
	for _, test := range []struct {
		text, want string
		pairs      []string
	}{
		{"plain", "plain", nil},
		{"{n} new", "{n} new", nil},
		{"{a} and {b}", "{b} and 2", []string{"a", "{b}", "b", "2"}},
		{"{a}{a}", "11", []string{"a", "1"}},
		{"{1} of {a}", "{1} of {1}", []string{"a", "{1}", "b", "1"}},
		{"{unknown} {a}", "{unknown} 1", []string{"a", "1"}},
	} {
		if got := fill(test.text, test.pairs); got != test.want {
			t.Errorf("%q with %q: got %q, want %q", test.text, test.pairs, got, test.want)
		}
	}
}
