package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// completeRows is how many rows a viewer sees without scrolling.
const completeRows = `[...document.querySelectorAll('#rows > li')].filter(r => { const b = r.getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight }).length`

// edges are where the parts of the page begin, in pixels from the top.
const edges = `['banner', 'sample', 'alerts', 'records', 'rows'].map(id => Math.round(document.getElementById(id).getBoundingClientRect().top)).join(' ')`

// Without this verdict and command would fill the screen: somebody who opens the page in front of an audience would see no
// record, or two windows side by side that do not line up.
func TestFirstScreenShowsThePoint(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Chromium)
	chromium := chrome.Start(t)
	for _, demo := range []struct {
		scenario string
		format   envelope.Format
		state    string // of the confidential pod's records
	}{{"", envelope.FormatRSA, "decrypted"}, {"", envelope.FormatEnvelope, "decrypted"}, {"", envelope.FormatJWE, "decrypted"}, {"tampered", envelope.FormatRSA, "no_key"}} {
		t.Run(string(demo.format)+" "+demo.scenario, func(t *testing.T) {
			lab := harness.StartLab(t, demo.scenario, demo.format)
			lab.Confidential.Wait("enough records are shown", func() bool { return lab.Confidential.Count(demo.state) >= 12 })
			lab.Ordinary.Wait("enough records are encrypted", func() bool { return lab.Ordinary.Count("no_key") >= 12 })
			view := chrome.Open(chromium, t, "about:blank")
			for _, size := range []struct {
				look
				rows int
			}{{look{1280, 720, "light", "en"}, 8}, {look{1280, 720, "dark", "ja"}, 8}, {look{390, 844, "light", "en"}, 5}, {look{390, 844, "dark", "ja"}, 5}} {
				emulate(view, size.look)
				var lines [2]string
				for i, pod := range []*harness.Pod{lab.Confidential, lab.Ordinary} {
					view.Visit(inLanguage(pod.Page, size.lang))
					pod.Wait("the page is live", func() bool {
						return chrome.Eval[string](view, "document.getElementById('live').dataset.state") == "live"
					})
					if got := chrome.Eval[int](view, completeRows); got < size.rows {
						t.Errorf("%s, %s: %d complete rows, want %d; the parts begin at %s", pod.Page, size, got, size.rows, chrome.Eval[string](view, edges))
					}
					if px := chrome.Eval[float64](view, "parseFloat(getComputedStyle(document.querySelector('#rows .state')).fontSize)"); size.width > 1000 && px < 16 {
						t.Errorf("%s: the state is %.1f pixels high", size, px)
					}
					if height := chrome.Eval[int](view, "document.getElementById('verdict').offsetHeight"); size.width > 1000 && height > 60 {
						t.Errorf("%s, %s: the verdict takes %d pixels, more than a line", pod.Page, size, height)
					}
					lines[i] = chrome.Eval[string](view, edges)
				}
				if size.width > 1000 && lines[0] != lines[1] {
					t.Errorf("%s: the two windows do not line up: %s and %s", size, lines[0], lines[1])
				}
			}

			if demo.scenario == "tampered" {
				view.Visit(inLanguage(lab.Confidential.Page, "en"))
				view.Shows(lab.Confidential, "#banner", "Hash of this pod's security policy differs")
				view.Click("#banner")
				view.Shows(lab.Confidential, "#verdict .claim[open]", "Actual")
			}
			emulate(view, look{1280, 720, "light", "en"})
			view.Visit(inLanguage(lab.Ordinary.Page, "en"))
			view.Shows(lab.Ordinary, "h1", "ordinary pod")
			if title := chrome.Eval[string](view, "document.title"); !strings.HasPrefix(title, "ordinary pod") {
				t.Errorf("the window's title is %q", title)
			}
			// Both at once: the next record may come between two looks.
			both := chrome.Eval[[]string](view, `['#sample [data-testid="sample-stored-bytes"]', '#sample .seen.ciphertext'].map(s => document.querySelector(s)?.textContent.trim() ?? "")`)
			if stored, seen := both[0], both[1]; stored == "" || seen != stored {
				t.Errorf("without a key the pod sees %q, and Kafka stores %q", seen, stored)
			}
			const size = "parseFloat(getComputedStyle(document.querySelector(%q)).fontSize)"
			if large, small := chrome.Eval[float64](view, fmt.Sprintf(size, "#sample .seen")), chrome.Eval[float64](view, fmt.Sprintf(size, "#sample .wire")); large < 1.4*small {
				t.Errorf("the ciphertext that the pod sees is %.0f pixels high, not large beside %.0f", large, small)
			}
			if demo.scenario == "" {
				payments(t, lab, view)
				attacked(t, lab, view)
			}
		})
	}
}

// cutMessages are the messages in the list of which a part is not shown.
const cutMessages = `[...document.querySelectorAll('#rows .value bdi')].filter(e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 3).map(e => e.textContent)`

// payments checks that a payment is shown whole in the list, and takes no more room than another message.
func payments(t *testing.T, lab *harness.Lab, view *chrome.Tab) {
	pod := lab.Confidential
	lab.Type(t, "/data payments")
	pod.Wait("payments are read", func() bool {
		n := 0
		for _, r := range pod.Records() {
			if strings.Contains(r.Value, "account") {
				n++
			}
		}
		return n >= 12
	})
	for _, size := range []struct {
		look
		rows int
	}{{look{1280, 720, "light", "en"}, 8}, {look{390, 844, "light", "ja"}, 5}} {
		emulate(view, size.look)
		view.Visit(inLanguage(pod.Page, size.lang))
		pod.Wait("payments are listed", func() bool { return strings.Contains(view.Text("#rows li:first-child .value"), "account") })
		for _, text := range chrome.Eval[[]string](view, cutMessages) {
			t.Errorf("%s: cut: %s", size, text)
		}
		if got := chrome.Eval[int](view, completeRows); got < size.rows {
			t.Errorf("%s: %d complete rows of payments, want %d", size, got, size.rows)
		}
	}
}

// fourCounts repeats the strip's count until there are four, as after several attacks.
const fourCounts = `for (const list = document.querySelector('#alerts ul'); list.children.length < 4;) list.append(list.firstElementChild.cloneNode(true)); `

// attacked checks the phone's first screen while the strip counts attacks.
func attacked(t *testing.T, lab *harness.Lab, view *chrome.Tab) {
	pod := lab.Confidential
	lab.Type(t, "/tamper")
	for _, lang := range []string{"en", "ja"} {
		emulate(view, look{390, 844, "light", lang})
		view.Visit(inLanguage(pod.Page, lang))
		pod.Wait("the strip is red", func() bool { return chrome.Eval[bool](view, "document.querySelector('#alerts.bad li') !== null") })
		if got := chrome.Eval[int](view, fourCounts+completeRows); got < 5 {
			t.Errorf("%s: %d complete rows below the red strip, want 5; the parts begin at %s", lang, got, chrome.Eval[string](view, edges))
		}
	}
}
