package console

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/static"
)

// Without this a part of the console would stay empty in one language.
func TestWords(t *testing.T) {
	languages, err := locale.Read(locales)
	if err != nil {
		t.Fatal(err)
	}
	english, japanese := languages.All()[0], languages.All()[1]
	has := func(texts locale.Texts, id string) bool { return slices.Contains(texts.IDs(), id) }
	for _, id := range english.IDs() {
		if !has(japanese, id) {
			t.Errorf("%s is missing in Japanese", id)
		}
		braces := regexp.MustCompile(`\{\w+\}`)
		if a, b := braces.FindAllString(english.T(id), -1), braces.FindAllString(japanese.T(id), -1); !slices.Equal(sorted(a), sorted(b)) {
			t.Errorf("%s is filled with %v in English and %v in Japanese", id, a, b)
		}
	}
	for _, id := range japanese.IDs() {
		// The demo itself says in English what an attack tries.
		if !has(english, id) && !strings.HasSuffix(id, ".tries") {
			t.Errorf("%s is missing in English", id)
		}
	}
	used := regexp.MustCompile(`\.T\("([\w.]+)"[,)]`)
	files, err := filepath.Glob("*.go") // with what templ makes
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			if !has(english, m[1]) && !strings.HasSuffix(m[1], ".") {
				t.Errorf("%s uses %q, which has no words", file, m[1])
			}
		}
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// Without this the console and the pod's own page would say different things of the same release.
func TestSameWordsAsThePodsPage(t *testing.T) {
	d := newFakeDemo(t)
	c, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	pods, err := locale.Read(os.DirFS("../../web"))
	if err != nil {
		t.Fatal(err)
	}
	d.released = time.Date(2026, 5, 4, 3, 2, 1, 999e6, time.FixedZone("far away", 9*3600))
	for i, page := range pods.All() {
		l := localizer{c.languages.All()[i]}
		d.again = time.Time{}
		want := page.T("key.reported.skr", "time", "18:02:01 UTC")
		if got := c.view(l).Released; got != want {
			t.Errorf("%s: %q, on the pod's page %q", l.Lang, got, want)
		}
		d.again = d.released.Add(time.Minute)
		want += " · " + page.T("key.tried.again", "time", "18:03:01 UTC")
		if got := c.view(l).Released; got != want {
			t.Errorf("%s: asked again: %q, on the pod's page %q", l.Lang, got, want)
		}
	}
}

// Without this the console and the pods' pages would not look like one demo.
func TestSameColoursAsThePodsPages(t *testing.T) {
	pods, err := static.Pages()
	if err != nil {
		t.Fatal(err)
	}
	_, console := startConsole(t, newFakeDemo(t))
	address := pods.Href("palette.css")
	if !strings.Contains(get(t, console+"/"), `"`+address+`"`) || !strings.Contains(get(t, console+address), "--ground: ") {
		t.Errorf("the console does not take its colours from %s", address)
	}
	for _, file := range []string{"../../web/static/style.css", "static/console.css"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if own := regexp.MustCompile(`--(ground|surface|sunk|line|ink|muted|good|wait|bad|link|mono|sans|round): `).FindString(string(text)); own != "" {
			t.Errorf("%s has its own %s", file, own)
		}
	}
}

// Without this a presenter would learn that a message is too long, and not by how much.
func TestTooLongSaysTheNumbers(t *testing.T) {
	c, err := New(newFakeDemo(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"The message has 319 bytes. A record of this format holds at most 318.", "メッセージは 319 バイトです。この形式のレコードに入るのは 318 バイトまでです。"} {
		if got, _ := (localizer{c.languages.All()[i]}).problem(CommandError{Code: ProblemTooLong, Used: 319, Limit: 318}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
