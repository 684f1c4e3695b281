package verify

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
)

func page(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Path) } //nolint:errcheck // the client compares it

// flagsFor returns the flags with which a pod of the service is verified.
func flagsFor(t *testing.T, service *attestedtest.Service) []string {
	t.Helper()
	text, err := json.Marshal(service.Policy())
	if err != nil {
		t.Fatal(err)
	}
	return []string{"-policy", writeFile(t, "policy.json", text), "-ca", service.CAFile}
}

func writeFile(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run runs the program as main does.
func run(t *testing.T, args ...string) (status int, out string, err error) {
	t.Helper()
	var text bytes.Buffer
	cfg, err := Parse(args, "", &text)
	if err == nil {
		err = Run(t.Context(), cfg, &text)
	}
	return ExitStatus(err), text.String(), err
}

// A viewer would not learn why a page can, or cannot, be trusted.
func TestRun(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	flags := flagsFor(t, service)

	status, out, err := run(t, append(flags, "-key", pod.KeyIDs[0], pod.URL)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if status != Verified || len(lines) != 12 || strings.Count(out, "\nok  ") != 10 || !strings.HasPrefix(out, "ok  ") {
		t.Fatalf("got %d, %v:\n%s", status, err, out)
	}
	if strings.Contains(out, "eyJhbGci") { // a bare "eyJ" may be in a key's id
		t.Errorf("it prints a token:\n%s", out)
	}
	for _, line := range lines[:11] {
		if !strings.Contains(line, ": expected ") || !strings.Contains(line, ", got ") {
			t.Errorf("%q has no expected or no actual value", line)
		}
	}
	if want := "Verified: " + pod.URL + " is served by the code that " + flags[1] + " names. It holds the key " + pod.KeyIDs[0] + "."; lines[11] != want {
		t.Errorf("got %q, want %q", lines[11], want)
	}

	status, out, err = run(t, append(flags, "-fingerprint", pod.URL)...)
	if status != Verified || err != nil || !strings.Contains(out, "this code; which deployment it is is not shown") || !strings.Contains(out, fmt.Sprintf("public key  %x", attested.KeyHash(pod.Certificate()))) {
		t.Errorf("without -key: got %d:\n%s", status, out)
	}

	status, out, err = run(t, append(flags, "-key", attestedtest.KeyID("other"), pod.URL)...)
	if status != Refused || err == nil || !strings.Contains(out, "\nREFUSED  the pod does not hold the expected key: expected ") || !strings.HasSuffix(out, "\nRefused: do not trust "+pod.URL+".\n") {
		t.Errorf("another key: got %d:\n%s", status, out)
	}

	status, out, err = run(t, append(flags, "https://127.0.0.1:1")...)
	if status != Unchecked || err == nil || out != "" {
		t.Errorf("nothing listens: got %d, %v:\n%s", status, err, out)
	}

	pod.Claims = func(claims map[string]any) { claims["x-ms-sevsnpvm-is-debuggable"] = true }
	status, out, err = run(t, append(flags, pod.URL)...)
	if status != Refused || err == nil || !strings.Contains(out, "REFUSED  debugging is not as the policy demands (x-ms-sevsnpvm-is-debuggable): expected false, got true\n") {
		t.Errorf("debug: got %d:\n%s", status, out)
	}
}

// A program that calls verify would take a refused page for a verified one.
func TestRunJSON(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	flags := append(flagsFor(t, service), "-json")
	var got struct {
		URL, Verdict, Error string
		Checks              []struct {
			Step, Claim, Expected, Actual string
			Passed                        bool
		}
		Notes  []string
		KeyIDs []string `json:"key_ids"`
		SPKI   string   `json:"spki_sha256"`
	}
	parse := func(out string) {
		t.Helper()
		got.Error, got.KeyIDs = "", nil
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	status, out, err := run(t, append(flags, pod.URL)...)
	if parse(out); status != Verified || err != nil || got.Verdict != "verified" || got.Error != "" || len(got.Checks) != 11 || len(got.KeyIDs) != 1 || got.SPKI != fmt.Sprintf("%x", attested.KeyHash(pod.Certificate())) {
		t.Errorf("got %d, %s", status, out)
	}
	pod.KeyIDs = nil
	status, out, err = run(t, append(flags, pod.URL)...)
	if parse(out); status != Refused || err == nil || got.Verdict != "refused" || got.Error == "" || got.Checks[len(got.Checks)-1].Step != "key_ids" || got.Checks[len(got.Checks)-1].Passed || got.KeyIDs != nil {
		t.Errorf("got %d, %s", status, out)
	}
	status, out, err = run(t, append(flags, "https://127.0.0.1:1")...)
	if parse(out); status != Unchecked || err == nil || got.Verdict != "unchecked" || got.Error == "" {
		t.Errorf("got %d, %s", status, out)
	}
}

// A viewer behind a port-forward could not verify the page, or would not learn that its name differs.
func TestRunNotesAnotherName(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page), func(c *tls.Config) {
		c.Certificates = []tls.Certificate{attestedtest.NewCertificate(t, nil, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"page.example"}, nil })}
	})
	status, out, err := run(t, append(flagsFor(t, service), pod.URL)...)
	if status != Verified || err != nil || !strings.Contains(out, "note     the certificate is for another name than 127.0.0.1: expected behind a port-forward\n") {
		t.Errorf("got %d:\n%s", status, out)
	}
}
