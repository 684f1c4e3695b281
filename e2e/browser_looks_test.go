package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/envelope"
)

// axe-core checks a page for what keeps people with disabilities from using it.
const (
	axeVersion = "4.14.1"
	axeHash    = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" // SHA-256 of axe.min.js
)

func axe(t *testing.T) string {
	t.Helper()
	need(t, npm)
	dir := filepath.Join("../.cache", "axe-"+axeVersion)
	file := filepath.Join(dir, "package", "axe.min.js")
	if _, err := os.Stat(file); err != nil {
		script := `mkdir -p "$0" && cd "$0" && npm pack --silent "axe-core@$1" >/dev/null && tar -xzf "axe-core-$1.tgz" package/axe.min.js`
		if out, err := exec.Command("bash", "-euc", script, dir, axeVersion).CombinedOutput(); err != nil {
			t.Fatalf("getting axe-core: %v: %s", err, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != axeHash {
		t.Fatalf("%s is not what it was: remove it, or correct the hash", file)
	}
	return string(text)
}

// look is how somebody looks at the page.
type look struct {
	width, height int64
	colours       string // light or dark
	lang          string
}

func (l look) String() string { return fmt.Sprintf("%s, %s, %d px", l.colours, l.lang, l.width) }

func (p *tab) as(l look) {
	p.t.Helper()
	p.does(chromedp.EmulateViewport(l.width, l.height))
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.colours}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}); err != nil {
		p.t.Fatal(err)
	}
}

// inLanguage is an address in a language.
func inLanguage(url, lang string) string {
	if strings.Contains(url, "?") {
		return url + "&lang=" + lang
	}
	return url + "?lang=" + lang
}

// labs show the states that the page is looked at in.
type labs struct{ released, tampered *staged }

func startLabs(t *testing.T) labs {
	t.Helper()
	s := labs{startStagedIn(t, "", envelope.FormatEnvelope), startStaged(t, "tampered")}
	s.released.confidential.wait("the key is there", func() bool { return s.released.confidential.count("decrypted") >= 3 })
	s.released.ordinary.wait("ciphertext is there", func() bool { return s.released.ordinary.count("no_key") >= 3 })
	s.tampered.confidential.wait("the refusal is there", func() bool { return s.tampered.confidential.keyState() == "refused" })
	s.tampered.confidential.wait("records are there", func() bool { return s.tampered.confidential.count("no_key") >= 3 })
	return s
}

// Without this people who cannot see well, or use no mouse, could not use the page, and on a phone it would run out of
// the screen.
func TestEveryoneCanUseThePage(t *testing.T) {
	t.Parallel()
	need(t, chromium)
	check := axe(t)
	s := startLabs(t)
	released, ordinary, tampered := s.released.confidential.page, s.released.ordinary.page, s.tampered.confidential.page
	record := released + "/records/" + topic + "/0/1"
	pages := []struct{ name, url, first string }{
		{"released", released + "/", ""},
		{"a row open", released + "/", "document.querySelector('#rows summary').click()"},
		{"the keys", released + "/", "document.getElementById('keys').showModal()"},
		{"refused", tampered + "/", ""},
		{"ordinary", ordinary + "/", "document.querySelector('#attestation') && (document.querySelector('#attestation').open = true)"},
		{"nothing found", released + "/?q=nothing-like-it", ""},
		{"record", record, ""},
		{"gone", released + "/records/" + topic + "/0/99999", ""},
		{"proof", released + "/proof", ""},
	}
	looks := []look{
		{320, 800, "light", "en"}, {320, 800, "dark", "en"}, {320, 800, "light", "ja"}, {320, 800, "dark", "ja"}, {1280, 900, "light", "en"}, {1280, 900, "dark", "ja"},
	}
	view := open(browser(t), t, "about:blank")
	// axe-core is put into the page, which its policy would not allow.
	if _, err := chromedp.Call(view.ctx, cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for _, l := range looks {
		view.as(l)
		for _, p := range pages {
			t.Run(p.name+" "+l.String(), func(t *testing.T) {
				view := &tab{t, view.ctx}
				view.visit(inLanguage(p.url, l.lang))
				if p.first != "" {
					looked[bool](view, p.first+", true")
				}
				if p.name == "a row open" {
					s.released.confidential.wait("the row is open", func() bool { return looked[bool](view, "!!document.querySelector('#rows .more [data-testid]')") })
				}
				if wide := looked[int](view, "document.documentElement.scrollWidth"); int64(wide) > l.width {
					t.Errorf("the page is %d pixels wide", wide)
				}
				looked[bool](view, check+"; true")
				found, err := chromedp.Run(view.ctx, chromedp.Evaluate[string](
					`axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200))}))))`,
					chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				var violations []struct {
					ID, Help string
					Nodes    []string
				}
				if err := json.Unmarshal([]byte(found), &violations); err != nil {
					t.Fatal(err)
				}
				for _, v := range violations {
					t.Errorf("%s: %s: %s", v.ID, v.Help, strings.Join(v.Nodes, "\n"))
				}
			})
		}
	}
}

var screenshots = flag.String("screenshots", "", "directory that TestScreenshots writes the pictures of the README into")

// TestScreenshots makes the pictures in the README and in docs/; "make screenshots" runs it.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("not asked for (hint: make screenshots)")
	}
	need(t, chromium)
	s := startLabs(t)
	released, ordinary, tampered := s.released.confidential.page, s.released.ordinary.page, s.tampered.confidential.page
	view := open(browser(t), t, "about:blank")
	for name, shot := range map[string]struct {
		url string
		as  look
	}{
		"released":       {released, look{1280, 860, "light", "en"}},
		"released-dark":  {released, look{1280, 860, "dark", "en"}},
		"released-ja":    {released, look{1280, 860, "light", "ja"}},
		"released-phone": {released, look{390, 844, "light", "en"}},
		"refused":        {tampered, look{1280, 1100, "light", "en"}},
		"ordinary":       {ordinary, look{1280, 860, "light", "en"}},
		"record":         {released + "/records/" + topic + "/0/1", look{1280, 860, "light", "en"}},
		"proof":          {released + "/proof", look{1280, 860, "light", "en"}},
	} {
		view.as(shot.as)
		view.visit(inLanguage(shot.url, shot.as.lang))
		if shot.url == released {
			s.released.confidential.shown(view, "#hero .seen", "Msg")
		}
		picture, err := chromedp.Run(view.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
