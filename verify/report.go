package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"kafka-e2ee/skrclient/attested"
)

// report is what the program says about a page.
type report struct {
	URL     string  `json:"url"`
	Verdict verdict `json:"verdict"`
	// Error says why the page was not verified.
	Error  string           `json:"error,omitempty"`
	Checks []attested.Check `json:"checks"`
	Notes  []string         `json:"notes"`
	*details

	cfg Config
}

// details are known of a verified page.
type details struct {
	KeyIDs            []string  `json:"key_ids"`
	Issued            time.Time `json:"issued"`
	Expires           time.Time `json:"expires"`
	CertificateSHA256 string    `json:"certificate_sha256"`
	PublicKeySHA256   string    `json:"spki_sha256"`
}

type verdict string

const (
	verified  verdict = "verified"
	refused   verdict = "refused"
	unchecked verdict = "unchecked"
)

func newReport(cfg Config, result *attested.Result, err error) report {
	r := report{URL: cfg.URL.String(), Verdict: verified, Checks: []attested.Check{}, Notes: []string{}, cfg: cfg}
	if result != nil {
		r.Checks = append(r.Checks, result.Checks...)
	}
	if err != nil {
		r.Verdict, r.Error = unchecked, err.Error()
		if isRefused(err) {
			r.Verdict = refused
		}
		return r
	}
	certificate, key := sha256.Sum256(result.Certificate.Raw), attested.KeyHash(result.Certificate)
	r.details = &details{result.KeyIDs, result.Issued, result.Expires, hex.EncodeToString(certificate[:]), hex.EncodeToString(key[:])}
	if err := result.Certificate.VerifyHostname(cfg.URL.Hostname()); err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("the certificate is for another name than %s: expected behind a port-forward", cfg.URL.Hostname()))
	}
	if len(cfg.Attested.KeyIDs) == 0 {
		r.Notes = append(r.Notes, "this code; which deployment it is is not shown, because the same code has the same measurement elsewhere (hint: -key)")
	}
	if cfg.Attested.AcceptOlderToken {
		r.Notes = append(r.Notes, "the token was not made for this connection: that was not asked for")
	}
	return r
}

func (r report) writeJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r report) writeText(out io.Writer) error {
	var text strings.Builder
	for _, check := range r.Checks {
		mark := "ok"
		if !check.Passed {
			mark = "REFUSED"
		}
		fmt.Fprintf(&text, "%-8s %s\n", mark, check)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "%-8s %s\n", "note", note)
	}
	switch r.Verdict {
	case verified:
		fmt.Fprintf(&text, "Verified: %s is served by the code that %s names. It holds %s.\n", r.URL, r.cfg.Source, heldKeys(r.KeyIDs))
	case refused:
		fmt.Fprintf(&text, "Refused: do not trust %s.\n", r.URL)
	case unchecked: // main prints the error
	}
	if r.Verdict == verified && r.cfg.Fingerprint {
		fmt.Fprintf(&text, "The browser's certificate dialog must show one of these SHA-256 fingerprints:\n  certificate %s\n              %s\n  public key  %s\n",
			r.CertificateSHA256, colons(r.CertificateSHA256), r.PublicKeySHA256)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func heldKeys(ids []string) string {
	if len(ids) == 1 {
		return "the key " + ids[0]
	}
	return "the keys " + strings.Join(ids, ", ")
}

// colons writes a hash as Firefox shows it.
func colons(hash string) string {
	var pairs []string
	for i := 0; i+2 <= len(hash); i += 2 {
		pairs = append(pairs, strings.ToUpper(hash[i:i+2]))
	}
	return strings.Join(pairs, ":")
}
