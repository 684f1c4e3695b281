package browser_test

import (
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/chrome"
	"kafka-e2ee/envelope"
)

// Without this a viewer could verify the page, and then not look at it: a browser knows nothing of attestation, so it
// sees the page through verify.
func TestPageThroughVerifyInChromium(t *testing.T) {
	harness.Require(t, harness.Chromium)
	d := harness.StartLab(t, "", envelope.FormatEnvelope)
	d.Confidential.Wait("the key is released", func() bool { return d.Confidential.KeyState() == "released" })
	chromium := chrome.Start(t)
	address := harness.OpenVerified(t, d.VerifyArgs(t)...)
	page := chrome.Open(chromium, t, address)
	page.Shows(d.Confidential, "#live", "Live")
	page.Click("#banner")
	page.Shows(d.Confidential, "body", "This connection ends in the attested pod.")
	d.Type(t, "typed while it was open")
	page.Shows(d.Confidential, "#rows", "typed while it was open")
	if at := chrome.Eval[string](page, "location.href"); !strings.HasPrefix(at, "http://127.0.0.1:") || strings.Contains(at, "/open/") {
		t.Errorf("the page is at %s, want it without the one-time address", at)
	}

	// The page in the other language needs its cookie, which verify keeps.
	page.Click("a[hreflang=ja]")
	d.Confidential.Wait("the page is in Japanese", func() bool { return chrome.Eval[string](page, "document.documentElement?.lang ?? ''") == "ja" })
	page.Shows(d.Confidential, "#rows", "typed while it was open")
	page.Visit(chrome.Eval[string](page, "location.origin") + "/")
	if lang := chrome.Eval[string](page, "document.documentElement.lang"); lang != "ja" {
		t.Errorf("after choosing Japanese the page is in %q", lang)
	}
	if text := chrome.Open(chrome.Start(t), t, address).Text("body"); !strings.Contains(text, "it works in one browser") {
		t.Errorf("another browser shows %q", text)
	}
}

// Without this a viewer would see the page of an impostor, which looks perfect.
func TestImpostorsPageIsNotShown(t *testing.T) {
	harness.Require(t, harness.Chromium)
	d := harness.StartLab(t, "impostor", envelope.FormatRSA)
	d.Confidential.Wait("the key is released", func() bool { return d.Confidential.KeyState() == "released" })
	// Nothing listens at the HTTP proxy: page and attestation service are on loopback, for which there is none.
	proxy := []string{"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"}
	status, out := harness.Verify(t, proxy, append([]string{"-open"}, d.VerifyArgs(t)...)...)
	if status != 1 || strings.Contains(out, "http://") || !strings.Contains(out, "REFUSED  the certificate's key is not the attested one: expected ") {
		t.Errorf("got status %d:\n%s", status, out)
	}
}
