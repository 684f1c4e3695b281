package browser_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// axe-core checks a page for barriers to people with disabilities.
const (
	axeVersion = "4.14.1"
	axeHash    = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" // SHA-256 of axe.min.js
)

func axe(t *testing.T) string {
	t.Helper()
	harness.Require(t, harness.NPM)
	dir := filepath.Join("../../.cache", "axe-"+axeVersion)
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

// look is a viewer's screen, colours and language.
type look struct {
	width, height int64
	colours       string // light or dark
	lang          string
}

func (l look) String() string { return fmt.Sprintf("%s, %s, %d px", l.colours, l.lang, l.width) }

func emulate(p *chrome.Tab, l look) {
	p.T.Helper()
	p.Do(chromedp.EmulateViewport(l.width, l.height))
	if _, err := chromedp.Call(p.Ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.colours}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}); err != nil {
		p.T.Fatal(err)
	}
}

// inLanguage returns a page's address in a language.
func inLanguage(url, lang string) string {
	if strings.Contains(url, "?") {
		return url + "&lang=" + lang
	}
	return url + "?lang=" + lang
}

// labs show the states in which the page is checked.
type labs struct{ released, tampered *harness.Lab }

func startLabs(t *testing.T, format envelope.Format) labs {
	t.Helper()
	s := labs{harness.StartLab(t, "", format), harness.StartLab(t, "tampered", envelope.FormatRSA)}
	s.released.Confidential.Wait("the key is released", func() bool { return s.released.Confidential.Count("decrypted") >= 3 })
	s.released.Ordinary.Wait("ciphertext is shown", func() bool { return s.released.Ordinary.Count("no_key") >= 3 })
	s.tampered.Confidential.Wait("the refusal is shown", func() bool { return s.tampered.Confidential.KeyState() == "refused" })
	s.tampered.Confidential.Wait("records are shown", func() bool { return s.tampered.Confidential.Count("no_key") >= 3 })
	return s
}

// Without this people with poor sight or without a mouse could not use the page, and on a phone it would overflow the
// screen.
func TestEveryoneCanUseThePage(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	check := axe(t)
	s := startLabs(t, envelope.FormatEnvelope)
	released, ordinary, tampered := s.released.Confidential.Page, s.released.Ordinary.Page, s.tampered.Confidential.Page
	record := released + "/records/" + harness.Topic + "/0/1"
	pages := []struct{ name, url, first string }{
		{"released", released + "/", ""},
		{"a row open", released + "/", "document.querySelector('#rows summary').click()"},
		{"the details", released + "/", "document.getElementById('verdict').open = true"},
		{"the keys", released + "/", "document.getElementById('keys').showModal()"},
		{"refused", tampered + "/", "document.getElementById('verdict').open = true"},
		{"ordinary", ordinary + "/", "document.querySelector('#attestation') && (document.querySelector('#attestation').open = true)"},
		{"nothing found", released + "/?q=nothing-like-it", ""},
		{"record", record, ""},
		{"gone", released + "/records/" + harness.Topic + "/0/99999", ""},
		{"proof", released + "/proof", ""},
	}
	looks := []look{
		{320, 800, "light", "en"}, {320, 800, "dark", "en"}, {320, 800, "light", "ja"}, {320, 800, "dark", "ja"}, {1280, 900, "light", "en"}, {1280, 900, "dark", "ja"},
	}
	view := chrome.Open(chrome.Start(t), t, "about:blank")
	// The page's policy would not allow axe-core.
	if _, err := chromedp.Call(view.Ctx, cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for _, l := range looks {
		emulate(view, l)
		for _, p := range pages {
			t.Run(p.name+" "+l.String(), func(t *testing.T) {
				view := &chrome.Tab{T: t, Ctx: view.Ctx}
				view.Visit(inLanguage(p.url, l.lang))
				if p.first != "" {
					chrome.Eval[bool](view, p.first+", true")
				}
				if p.name == "a row open" {
					s.released.Confidential.Wait("the row is open", func() bool { return chrome.Eval[bool](view, "!!document.querySelector('#rows .more [data-testid]')") })
				}
				checkAccess(view, check, l)
			})
		}
	}
}

// checkAccess checks the page in a tab with axe-core, and that it is no wider than the screen.
func checkAccess(view *chrome.Tab, check string, l look) {
	view.T.Helper()
	if wide := chrome.Eval[int](view, "document.documentElement.scrollWidth"); int64(wide) > l.width {
		view.T.Errorf("the page is %d pixels wide", wide)
	}
	chrome.Eval[bool](view, check+"; true")
	found, err := chromedp.Run(view.Ctx, chromedp.Evaluate[string](
		`axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200))}))))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		view.T.Fatal(err)
	}
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		view.T.Fatal(err)
	}
	for _, v := range violations {
		view.T.Errorf("%s: %s: %s", v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}
