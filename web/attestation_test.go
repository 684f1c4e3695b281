package web

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Without this the page would overstate claims, or run code in them.
func TestAttestationOnThePage(t *testing.T) {
	checks := []Check{
		{Claim: "x-ms-sevsnpvm-hostdata", Expected: "aa11", Actual: "<script>alert(1)</script>", Result: CheckDifferent},
		{Claim: "x-ms-other", Actual: "", Result: CheckNotChecked},
	}
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for name, test := range map[string]struct {
		key       KeyStatus
		want, not []string
	}{
		"none": {KeyStatus{State: KeyReleased}, []string{`<details id="attestation" class="attestation" hidden`}, []string{"/api/key/token"}},
		"a claim differs": {
			KeyStatus{State: KeyRefused, Step: "policy", ByPolicy: true, Attestation: Attestation{State: AttestationChecked, Compared: true, Checks: checks, Issued: now, Expires: now.Add(time.Hour)}},
			[]string{`class="attestation" open`, "Hash of this pod&#39;s security policy: expected aa11, measured &lt;script&gt;", "Compared with this pod&#39;s copy", "x-ms-other", "not stated", "different", "/api/key/token", "expires 04:02:01 UTC", "This pod&#39;s security policy is not the one that the key is released for", "no key was released"},
			[]string{"<script>alert", "RELEASE_POLICY_FILE", "Obtained after"},
		},
		"a claim differs, but is not why": {
			KeyStatus{State: KeyRefused, Step: "vault", Reason: "no_role", Attestation: Attestation{State: AttestationChecked, Checks: checks}},
			[]string{"The pod&#39;s identity may not release the key.", "Nothing to compare with"},
			[]string{"expected aa11, measured", `class="attestation" open`},
		},
		"released, and a claim differs": {
			KeyStatus{State: KeyReleased, ByPolicy: true, Reason: "policy", Attestation: Attestation{State: AttestationChecked, Checks: checks}},
			[]string{"Key held since", "different", "Obtained after, not for"},
			[]string{`class="attestation" open`},
		},
		"failed": {
			KeyStatus{State: KeyReleased, Attestation: Attestation{State: AttestationFailed, Reason: "attestation"}},
			[]string{"No attestation of this pod&#39;s own", "The attestation is refused. Expected without SEV-SNP hardware."},
			[]string{"/api/key/token", `data-testid="claim"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 10)
			s.key, s.feed.Now = test.key, func() time.Time { return now }
			_, page, _ := s.get(t, "/")
			for _, text := range test.want {
				if !strings.Contains(page, text) {
					t.Errorf("the page lacks %q", text)
				}
			}
			for _, text := range test.not {
				if strings.Contains(page, text) {
					t.Errorf("the page holds %q", text)
				}
			}
			if status, _, _ := s.get(t, "/api/key/token"); status != http.StatusNotFound {
				t.Errorf("a missing token is served with %d", status)
			}
		})
	}
}
