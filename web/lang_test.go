package web

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Without this a page would have holes, or braces, in one of its languages.
func TestEveryTextIsInBothLanguages(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	names := func(text string) []string {
		return slices.Compact(slices.Sorted(slices.Values(placeholder.FindAllString(text, -1))))
	}
	parts := []map[string]text{pageTexts(), recordTexts(), keyTexts(), proofTexts()}
	total := 0
	for _, part := range parts {
		total += len(part)
		for id, both := range part {
			if strings.TrimSpace(both.en) == "" || strings.TrimSpace(both.ja) == "" {
				t.Errorf("%s is missing in a language", id)
			}
			if en, ja := names(both.en), names(both.ja); !slices.Equal(en, ja) {
				t.Errorf("%s: placeholders %v in English, %v in Japanese", id, en, ja)
			}
		}
	}
	if all := table(); len(all) != total {
		t.Errorf("%d texts, %d ids: an id is used twice", total, len(all))
	}
}

// Without this a text could be asked for that there is none of: the page would say nothing there.
func TestEveryTextAskedForIsThere(t *testing.T) {
	all := table()
	for _, state := range States() {
		want(t, all, "record."+string(state), "why."+string(state))
	}
	for _, state := range senderStates() {
		want(t, all, "sender.any."+string(state))
	}
	for _, id := range []string{"verified", "unverified.unsigned", "unverified.nobody_trusted", "untrusted.unknown", "untrusted.bad_signature", "unchecked"} {
		want(t, all, "sender."+id, "from."+id)
	}
	for _, state := range []KeyState{KeyNotConfigured, KeyWaiting, KeyUnreachable, KeyRefused, KeyReleased, KeyFromFile} {
		want(t, all, "key."+string(state))
	}
	want(t, all, "key.held", "key.busy", "key.away", "key.no_file", "why.undecryptable.rsa")
	for _, step := range []string{"sidecar", "attestation", "vault", "policy", "key"} {
		want(t, all, "step."+step)
	}
	literal := regexp.MustCompile(`\.say\("([a-z_.A-Z]+)"[,)]`)
	for _, file := range []string{"attestation.go", "detail.go", "evidence.go", "pages.go", "row.go", "verdict.go", "view.go", "page.templ", "head.templ", "records.templ", "proof.templ"} {
		for _, found := range literal.FindAllStringSubmatch(readFile(t, file), -1) {
			want(t, all, found[1])
		}
	}
}

func want(t *testing.T, all map[string]text, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, ok := all[id]; !ok {
			t.Errorf("there is no text %q", id)
		}
	}
}

// Without this the reasons and hints of a failed release would be in English on a Japanese page.
func TestCausesAreTranslated(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "../skrclient/cause.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	info := types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object)}
	if _, err := new(types.Config).Check("skrclient", files, []*ast.File{file}, &info); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, object := range info.Defs {
		if c, ok := object.(*types.Const); ok && strings.HasSuffix(c.Type().String(), ".Cause") {
			found[constant.StringVal(c.Val())] = true
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if name, ok := pair.Key.(*ast.Ident); ok && name.Name == "hint" {
				found[strings.TrimSpace(constant.StringVal(info.Types[pair.Value].Value))] = true
			}
		}
		return true
	})
	if len(found) < 50 {
		t.Fatalf("found %d phrases only", len(found))
	}
	w := languages()[1]
	for english, want := range map[string]string{"b:9092 does not answer in time": "b:9092 が時間内に応答しません", "BROKERS": "BROKERS", "no broker answers": "応答するブローカーがありません"} {
		if got := w.phrase(english); got != want {
			t.Errorf("%s: got %s", english, got)
		}
	}
	japanese := phrases()
	for _, phrase := range slices.Sorted(maps.Keys(found)) {
		if japanese[phrase] == "" {
			t.Errorf("not translated: %q", phrase)
		}
	}
}

// Without this a person would get a language that nobody here asked for, and a screen reader would read it out wrongly.
func TestLanguageIsChosen(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, StateDecrypted, "one"))
	for name, test := range map[string]struct{ path, accept, cookie, want, title string }{
		"nothing said": {"/", "", "", "en", "No key: nothing answers"},
		"browser":      {"/", "ja-JP,ja;q=0.9,en;q=0.8", "", "ja", "鍵なし"},
		"another":      {"/", "fr", "", "en", "No key"},
		"nonsense":     {"/?lang=%00", ";;;", "x y", "en", "No key"},
		"cookie":       {"/", "en", "lang=ja", "ja", "鍵なし"},
		"switch":       {"/?lang=en", "ja", "lang=ja", "en", "No key"},
		"record":       {"/records/t/0/1?lang=ja", "", "", "ja", "AKS の機密"},
		"proof":        {"/proof", "ja", "", "ja", "証明しないこと"},
		"gone":         {"/records/t/0/2", "ja", "", "ja", "このレコードはここにありません"},
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
