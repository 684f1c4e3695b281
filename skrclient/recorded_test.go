package skrclient

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type outcome struct {
	step  Step
	kind  Kind
	cause Cause
	lasts bool // until a person changes something
}

// readRecorded returns a recorded response of a service.
func readRecorded(t testing.TB, path string) (status int, body []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = readLimited(response.Body, maxResponse); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// checkRecorded parses every recorded response in a folder and compares the outcome.
func checkRecorded(t *testing.T, folder string, parse func(int, []byte) (*rsa.PrivateKey, *Error), want map[string]outcome) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.http"))
	if err != nil || len(files) != len(want) {
		t.Fatalf("got %d recorded responses and error %v, want %d", len(files), err, len(want))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		status, body := readRecorded(t, file)
		key, failure := parse(status, body)
		if key != nil || failure == nil {
			t.Errorf("%s: got a key, want an error", name)
			continue
		}
		if got := (outcome{failure.Step, failure.Kind, failure.Cause, !failure.Temporary()}); got != want[name] {
			t.Errorf("%s: got %+v, want %+v", name, got, want[name])
		}
		if failure.Hint() == "" || failure.Status == 0 {
			t.Errorf("%s: got %+v, want a hint and a status", name, failure)
		}
	}
}

// A user would not learn from a refusal which step failed, and whether waiting helps.
func TestSidecarResponses(t *testing.T) {
	checkRecorded(t, "skr", parseRelease, map[string]outcome{
		"request-bad":                   {StepSidecar, KindRefused, CauseBadRequest, true},
		"sidecar-not-ready":             {StepSidecar, KindRefused, CauseNotReady, false},
		"refusal-without-words":         {StepSidecar, KindRefused, CauseUnknownReason, false},
		"mesh-in-between":               {StepSidecar, KindMalformed, CauseBadAnswer, false},
		"another-server":                {StepSidecar, KindMalformed, CauseUnexpectedStatus, false},
		"another-server-fails":          {StepSidecar, KindMalformed, CauseBadAnswer, false},
		"another-server-refuses":        {StepSidecar, KindMalformed, CauseBadAnswer, false},
		"attestation-dns":               {StepAttestation, KindRefused, CauseHostNotFound, false},
		"attestation-dns-at-pod-start":  {StepAttestation, KindRefused, CauseHostNotFound, false},
		"attestation-refused":           {StepAttestation, KindRefused, CauseAttestation, true},
		"attestation-policy":            {StepAttestation, KindRefused, CauseAttestation, true},
		"attestation-throttled":         {StepAttestation, KindRefused, CauseThrottled, false},
		"attestation-down":              {StepAttestation, KindRefused, CauseServiceFailed, false},
		"attestation-no-hardware":       {StepAttestation, KindRefused, CauseNoReport, false},
		"attestation-certificate":       {StepAttestation, KindRefused, CauseUntrustedCertificate, false},
		"attestation-words-of-others":   {StepAttestation, KindRefused, CauseAttestation, true},
		"hardware-ioctl":                {StepAttestation, KindRefused, CauseNoReport, false},
		"hardware-firmware":             {StepAttestation, KindRefused, CauseNoReport, false},
		"certificates-away":             {StepAttestation, KindRefused, CauseNoCertificates, false},
		"policy-not-decoded":            {StepAttestation, KindRefused, CauseUnknownReason, false},
		"tcb-rollout":                   {StepAttestation, KindRefused, CauseTCB, false},
		"tcb-no-certificate-cache":      {StepAttestation, KindRefused, CauseTCB, false},
		"identity-missing":              {StepIdentity, KindRefused, CauseIdentity, false},
		"identity-not-federated":        {StepIdentity, KindRefused, CauseIdentity, false},
		"identity-token-file":           {StepIdentity, KindRefused, CauseIdentity, false},
		"identity-provider-dns":         {StepIdentity, KindRefused, CauseIdentityProvider, false},
		"identity-provider-timeout":     {StepIdentity, KindRefused, CauseIdentityProvider, false},
		"identity-provider-down":        {StepIdentity, KindRefused, CauseIdentityProvider, false},
		"identity-metadata-away":        {StepIdentity, KindRefused, CauseIdentityProvider, false},
		"identity-answer-page":          {StepIdentity, KindRefused, CauseIdentityProvider, false},
		"vault-dns":                     {StepVault, KindRefused, CauseHostNotFound, false},
		"vault-no-route":                {StepVault, KindRefused, CauseNetwork, false},
		"vault-certificate":             {StepVault, KindRefused, CauseUntrustedCertificate, false},
		"vault-answer-certificate":      {StepVault, KindRefused, CauseUntrustedCertificate, false},
		"vault-words-of-others":         {StepVault, KindRefused, CauseUnknownReason, false},
		"vault-unauthorized":            {StepVault, KindRefused, CauseIdentity, false},
		"vault-role-not-propagated":     {StepVault, KindRefused, CauseNoRole, false},
		"vault-access-policy":           {StepVault, KindRefused, CauseNoRole, false},
		"vault-policy":                  {StepPolicy, KindRefused, CausePolicy, true},
		"vault-forbidden-without-words": {StepVault, KindRefused, CauseForbidden, false},
		"vault-no-such-key":             {StepVault, KindRefused, CauseNoKey, true},
		"vault-throttled":               {StepVault, KindRefused, CauseThrottled, false},
		"vault-down":                    {StepVault, KindRefused, CauseServiceFailed, false},
	})
}

// documentation begins each text of a 403 in sidecars since 2.12.
const documentation = "secure key release failed\nERROR: Please refer to the documentation for more information on how to use this sidecar.\n" +
	"ACI: https://github.com/microsoft/confidential-sidecar-containers/blob/main/examples/skr/aci/README.md\n" +
	"KATA: https://github.com/microsoft/confidential-sidecar-containers/blob/main/examples/skr/aks/README.md\n" +
	"Troubleshooting: https://github.com/microsoft/confidential-sidecar-containers/blob/main/examples/skr/TROUBLESHOOTING.md: "

// A user would lose the cause with an update of the sidecar, which then refers to its documentation.
func TestDocumentationChangesNothing(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "skr", "*.http"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range files {
		_, body := readRecorded(t, file)
		var response struct{ Error string }
		if json.Unmarshal(body, &response) != nil || response.Error == "" {
			continue
		}
		compared++
		bare := strings.TrimPrefix(response.Error, documentation)
		without, with := classify(bare), classify(documentation+bare)
		if *without != *with {
			t.Errorf("%s: got %+v without and %+v with the reference to the documentation", file, *without, *with)
		}
		for _, attested := range []string{bare, "attestation failed" + strings.TrimPrefix(documentation, "secure key release failed") + bare} {
			text, err := json.Marshal(map[string]string{"error": attested})
			if err != nil {
				t.Fatal(err)
			}
			if _, got := parseToken(http.StatusForbidden, append(text, `{"token":""}`...)); without.Step == StepAttestation && *got != *without {
				t.Errorf("%s: got %+v for an attestation, want %+v", file, *got, *without)
			}
		}
	}
	if compared < 30 {
		t.Errorf("compared %d texts only", compared)
	}
}

// A user would look for the fault in the vault, although the identity provider failed.
func TestIdentityProviderIsNamed(t *testing.T) {
	for _, cause := range []Cause{CauseIdentity, CauseIdentityProvider} {
		if hint := (&Error{Cause: cause}).Hint(); !strings.Contains(hint, "login.microsoftonline.com") {
			t.Errorf("%s: the hint is %q", cause, hint)
		}
	}
}

// A user would be misled by the few texts of the data hub.
func TestHubResponses(t *testing.T) {
	checkRecorded(t, "cdh", parseResource, map[string]outcome{
		"denied-missing-or-down": {StepSidecar, KindRefused, CauseResource, false},
		"not-up":                 {StepSidecar, KindUnreachable, CauseHubStarting, false},
		"feature-off":            {StepSidecar, KindRefused, CauseHubNoResources, true},
		"wrong-url":              {StepSidecar, KindMalformed, CauseNotHub, false},
		"not-loopback":           {StepSidecar, KindRefused, CauseHubCaller, true},
		"mesh-in-between":        {StepSidecar, KindMalformed, CauseNotHub, false},
		"another-server":         {StepKey, KindMalformed, CauseNotKey, true},
	})
}

// roundTrip responds to every request with a text, without a network.
type roundTrip func() string

func (r roundTrip) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(r()))}, nil
}
