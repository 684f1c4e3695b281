package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/podstatus"
)

// Without this the page would overstate claims, or run code in them.
func TestAttestationOnThePage(t *testing.T) {
	checks := []podstatus.Check{
		{Claim: "x-ms-sevsnpvm-hostdata", Expected: "aa11", Actual: "<script>alert(1)</script>", Result: podstatus.CheckDifferent},
		{Claim: "x-ms-other", Actual: "", Result: podstatus.CheckNotChecked},
	}
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for name, test := range map[string]struct {
		key       podstatus.Key
		want, not []string
	}{
		"none": {podstatus.Key{State: podstatus.KeyReleased}, []string{`<details id="attestation" class="attestation" hidden`}, []string{"/api/key/token"}},
		"a claim differs": {
			podstatus.Key{State: podstatus.KeyRefused, Step: "policy", ByPolicy: true, Attestation: podstatus.Attestation{State: podstatus.AttestationChecked, Compared: true, Checks: checks, Issued: now, Expires: now.Add(time.Hour)}},
			[]string{`class="attestation" open`, "Hash of this pod&#39;s security policy: expected aa11, measured &lt;script&gt;", "Compared with this pod&#39;s copy", "x-ms-other", "not stated", "different", "/api/key/token", "expires 04:02:01 UTC", "This pod&#39;s security policy is not the one that the key is released for", "no key was released"},
			[]string{"<script>alert", "RELEASE_POLICY_FILE", "Obtained after"},
		},
		"a claim differs, but is not why": {
			podstatus.Key{State: podstatus.KeyRefused, Step: "vault", Reason: "no_role", Attestation: podstatus.Attestation{State: podstatus.AttestationChecked, Checks: checks}},
			[]string{"The pod&#39;s identity may not release the key.", "Nothing to compare with"},
			[]string{"expected aa11, measured", `class="attestation" open`},
		},
		"released, and a claim differs": {
			podstatus.Key{State: podstatus.KeyReleased, ByPolicy: true, Reason: "policy", Attestation: podstatus.Attestation{State: podstatus.AttestationChecked, Checks: checks}},
			[]string{"Key held since", "different", "Obtained after, not for"},
			[]string{`class="attestation" open`},
		},
		"failed": {
			podstatus.Key{State: podstatus.KeyReleased, Attestation: podstatus.Attestation{State: podstatus.AttestationFailed, Reason: "attestation"}},
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
