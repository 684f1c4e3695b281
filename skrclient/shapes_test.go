package skrclient

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type shape struct {
	step  Step
	kind  Kind
	cause Cause
	lasts bool // someone has to change something
}

// readShape returns a recorded answer of a service.
func readShape(t testing.TB, path string) (status int, body []byte) {
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
	if body, err = readAll(response.Body, maxAnswer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// checkShapes parses every recorded answer in a folder, and wants each to be expected.
func checkShapes(t *testing.T, folder string, parse func(int, []byte) (*rsa.PrivateKey, *Error), want map[string]shape) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.http"))
	if err != nil || len(files) != len(want) {
		t.Fatalf("got %d recorded answers and error %v, want %d", len(files), err, len(want))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		status, body := readShape(t, file)
		key, failure := parse(status, body)
		if key != nil || failure == nil {
			t.Errorf("%s: got a key, want an error", name)
			continue
		}
		if got := (shape{failure.Step, failure.Kind, failure.Cause, !failure.Temporary()}); got != want[name] {
			t.Errorf("%s: got %+v, want %+v", name, got, want[name])
		}
		if failure.Hint() == "" || failure.Status == 0 {
			t.Errorf("%s: got %+v, want a hint and a status", name, failure)
		}
	}
}

// A user would lose hours: each refusal of the real services must name its step, and whether waiting helps.
func TestSidecarShapes(t *testing.T) {
	checkShapes(t, "skr", parseAnswer, map[string]shape{
		"request-bad":                   {StepSidecar, KindRefused, CauseRequest, true},
		"sidecar-not-ready":             {StepSidecar, KindRefused, CauseNotReady, false},
		"refusal-without-words":         {StepSidecar, KindRefused, CauseUnknown, false},
		"mesh-in-between":               {StepSidecar, KindMalformed, CauseAnswer, false},
		"another-server":                {StepSidecar, KindMalformed, CauseForeign, false},
		"attestation-dns":               {StepAttestation, KindRefused, CauseName, false},
		"attestation-dns-at-pod-start":  {StepAttestation, KindRefused, CauseName, false},
		"attestation-refused":           {StepAttestation, KindRefused, CauseAttestation, true},
		"attestation-policy":            {StepAttestation, KindRefused, CauseAttestation, true},
		"attestation-throttled":         {StepAttestation, KindRefused, CauseThrottled, false},
		"attestation-down":              {StepAttestation, KindRefused, CauseService, false},
		"attestation-no-hardware":       {StepAttestation, KindRefused, CauseAttestation, true},
		"tcb-rollout":                   {StepAttestation, KindRefused, CauseTCB, false},
		"tcb-no-certificate-cache":      {StepAttestation, KindRefused, CauseTCB, false},
		"identity-missing":              {StepVault, KindRefused, CauseIdentity, false},
		"vault-dns":                     {StepVault, KindRefused, CauseName, false},
		"vault-no-route":                {StepVault, KindRefused, CauseNetwork, false},
		"vault-certificate":             {StepVault, KindRefused, CauseNetwork, false},
		"vault-unauthorized":            {StepVault, KindRefused, CauseIdentity, false},
		"vault-role-not-propagated":     {StepVault, KindRefused, CauseRole, false},
		"vault-access-policy":           {StepVault, KindRefused, CauseRole, false},
		"vault-policy":                  {StepPolicy, KindRefused, CausePolicy, true},
		"vault-forbidden-without-words": {StepVault, KindRefused, CauseForbidden, false},
		"vault-no-such-key":             {StepVault, KindRefused, CauseNoKey, true},
		"vault-throttled":               {StepVault, KindRefused, CauseThrottled, false},
		"vault-down":                    {StepVault, KindRefused, CauseService, false},
	})
}

// A user would lose hours: the data hub says little, and what it says must not be taken for more.
func TestHubShapes(t *testing.T) {
	checkShapes(t, "cdh", parseResource, map[string]shape{
		"denied-missing-or-down": {StepSidecar, KindRefused, CauseResource, false},
		"not-up":                 {StepSidecar, KindUnreachable, CauseHubStarts, false},
		"feature-off":            {StepSidecar, KindRefused, CauseHubFeature, true},
		"wrong-url":              {StepSidecar, KindMalformed, CauseNotHub, false},
		"not-loopback":           {StepSidecar, KindRefused, CauseHubCaller, true},
		"another-server":         {StepKey, KindMalformed, CauseNotKey, true},
	})
}

// roundTrip answers every request with a text, without a network.
type roundTrip func() string

func (r roundTrip) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(r()))}, nil
}
