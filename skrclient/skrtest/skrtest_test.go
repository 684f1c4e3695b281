package skrtest_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"kafka-e2ee/skrclient/skrtest"
)

// broken is a platform whose every part fails.
type broken struct{}

func (broken) Release(context.Context, skrtest.Asked) (*rsa.PrivateKey, error) {
	return nil, errors.New("attestation failed: the hardware is gone")
}

func (broken) Attest(context.Context, string, []byte) (skrtest.Attestation, error) {
	return skrtest.Attestation{}, errors.New("attestation failed: the hardware is gone")
}

// Without this a client would be tried against shapes that the real sidecar does
// not have: its failures differ from path to path, and some are odd.
func TestShapesOfFailures(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"status":                   {"GET", "/status", "", 200, `{"message":"Status OK"}`},
		"release malformed":        {"POST", "/key/release", "{", 400, `{"error":{}}`},
		"release, a field missing": {"POST", "/key/release", `{"maa_endpoint":"m","kid":"k"}`, 400, `{"error":{}}`},
		"release":                  {"POST", "/key/release", `{"maa_endpoint":"m","akv_endpoint":"a","kid":"k"}`, 403, `{"error":"attestation failed: the hardware is gone"}`},
		"maa":                      {"POST", "/attest/maa", `{"maa_endpoint":"m","runtime_data":"e30="}`, 403, `{"error":"attestation failed: the hardware is gone"}`},
		"maa, not base64":          {"POST", "/attest/maa", `{"maa_endpoint":"m","runtime_data":"!"}`, 403, `}{"token":""}`},
		"maa, null":                {"POST", "/attest/maa", `{"maa_endpoint":"m","runtime_data":"bnVsbA=="}`, 403, `{"error":"`},
		"raw":                      {"POST", "/attest/raw", `{"runtime_data":""}`, 403, `{"error":"`},
		"raw malformed":            {"POST", "/attest/raw", `x`, 400, `{"error":"`},
		"combined":                 {"POST", "/attest/combined", `{"runtime_data":""}`, 500, `{"error":"`},
		"combined malformed":       {"POST", "/attest/combined", `x`, 400, `{"error":"`},
		"wrong method":             {"GET", "/key/release", "", 405, ""},
		"unknown path":             {"GET", "/", "", 404, ""},
	} {
		w := httptest.NewRecorder()
		skrtest.On(broken{}).ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: status %d, want %d and %s: %s", name, w.Code, c.status, c.want, w.Body)
		}
	}
}

// Without this a sidecar in a test would attest, although nothing stands behind it.
func TestKeysAloneAttestNothing(t *testing.T) {
	sidecar, err := skrtest.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	sidecar.ServeHTTP(w, httptest.NewRequest("POST", "/attest/maa", strings.NewReader(`{"maa_endpoint":"m","runtime_data":"e30="}`)))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "attestation failed") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	sidecar.Behave(skrtest.NotReady)
	w = httptest.NewRecorder()
	sidecar.ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Status NOT OK") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
