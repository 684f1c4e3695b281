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

// brokenPlatform always fails.
type brokenPlatform struct{}

func (brokenPlatform) Release(context.Context, skrtest.KeyRequest) (*rsa.PrivateKey, error) {
	return nil, errors.New("attestation failed: failed to retrieve attestation report: the hardware is gone")
}

func (brokenPlatform) Attest(context.Context, string, []byte) (skrtest.Attestation, error) {
	return skrtest.Attestation{}, errors.New("failed to retrieve attestation report: the hardware is gone")
}

// Without this a client would be tested against responses that the real sidecar does not send. Its failures differ from
// path to path. These were recorded from a sidecar built from its source.
func TestShapesOfFailures(t *testing.T) {
	const (
		good = `{"maa_endpoint":"m","akv_endpoint":"a","kid":"k"}`
		gone = `failed to retrieve attestation report: the hardware is gone"}`
		docs = `\nERROR: Please refer to the documentation for more information`
	)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		begins, ends       string // of the body, which is one document unless ends begins a second one
	}{
		"status":                     {"GET", "/status", "", 200, `{"message":"Status OK"}`, `}`},
		"release malformed":          {"POST", "/key/release", "{", 400, `{"error":{}}`, `{"error":{}}`},
		"release, a field missing":   {"POST", "/key/release", `{"maa_endpoint":"m","kid":"k"}`, 400, `{"error":{}}`, `{"error":{}}`},
		"release":                    {"POST", "/key/release", good, 403, `{"error":"secure key release failed` + docs, `: attestation failed: ` + gone},
		"maa":                        {"POST", "/attest/maa", `{"maa_endpoint":"m","runtime_data":"e30="}`, 403, `{"error":"attestation failed` + docs, gone + `{"token":""}`},
		"maa malformed":              {"POST", "/attest/maa", `x`, 400, `{"error":"invalid request format` + docs, `"}`},
		"maa, empty":                 {"POST", "/attest/maa", `{}`, 400, `{"error":"invalid request format` + docs, `"}`},
		"maa, a field missing":       {"POST", "/attest/maa", `{"runtime_data":"e30="}`, 400, `{"error":"invalid request format` + docs, `"}`},
		"maa, not base64":            {"POST", "/attest/maa", `{"maa_endpoint":"m","runtime_data":"!"}`, 400, `{"error":"decoding base64-encoded runtime data of request failed` + docs, `"}`},
		"maa, null":                  {"POST", "/attest/maa", `{"maa_endpoint":"m","runtime_data":"bnVsbA=="}`, 403, `{"error":"attestation failed` + docs, `{"token":""}`},
		"raw":                        {"POST", "/attest/raw", `{"runtime_data":"e30="}`, 403, `{"error":"failure to fetch attestation report hex` + docs, gone + `{"report":""}`},
		"raw, empty":                 {"POST", "/attest/raw", `{}`, 400, `{"error":"invalid request format` + docs, `"}`},
		"raw, empty data":            {"POST", "/attest/raw", `{"runtime_data":""}`, 400, `{"error":"invalid request format` + docs, `"}`},
		"raw malformed":              {"POST", "/attest/raw", `x`, 400, `{"error":"invalid request format` + docs, `"}`},
		"raw, not base64":            {"POST", "/attest/raw", `{"runtime_data":"!"}`, 400, `{"error":"decoding base64-encoded runtime data of request failed` + docs, `"}`},
		"combined":                   {"POST", "/attest/combined", `{"runtime_data":"e30="}`, 500, `{"error":"failure to fetch attestation report bytes` + docs, gone},
		"combined, empty":            {"POST", "/attest/combined", `{}`, 400, `{"error":"invalid request format` + docs, `"}`},
		"combined malformed":         {"POST", "/attest/combined", `x`, 400, `{"error":"invalid request format` + docs, `"}`},
		"wrong method":               {"GET", "/key/release", "", 404, "404 page not found", "\n"},
		"wrong method of a token":    {"PUT", "/attest/maa", "", 404, "404 page not found", "\n"},
		"wrong method of the status": {"POST", "/status", "", 404, "404 page not found", "\n"},
		"only the status's header":   {"HEAD", "/status", "", 404, "", ""},
		"unknown path":               {"GET", "/", "", 404, "404 page not found", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			skrtest.NewWithPlatform(brokenPlatform{}).ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
			body := w.Body.String()
			if w.Code != c.status || !strings.HasPrefix(body, c.begins) || !strings.HasSuffix(body, c.ends) {
				t.Errorf("status %d, want %d, and from %s to %s: %s", w.Code, c.status, c.begins, c.ends, body)
			}
			if documents, want := strings.Count(body, `{"`), strings.Count(c.begins+c.ends, `{"`); want == 1 && documents != 1 {
				t.Errorf("%d documents: %s", documents, body)
			}
		})
	}
}

// Without this a client would be tested against newer sidecars only.
func TestOldSidecarOmitsDocumentation(t *testing.T) {
	sidecar := skrtest.NewWithPlatform(brokenPlatform{})
	sidecar.SetOld(true)
	for path, want := range map[string]string{
		"/key/release": `{"error":"attestation failed: failed to retrieve attestation report: the hardware is gone"}`,
		"/attest/maa":  `{"error":"failed to retrieve attestation report: the hardware is gone"}{"token":""}`,
		"/attest/raw":  `{"error":"failed to retrieve attestation report: the hardware is gone"}{"report":""}`,
	} {
		w := httptest.NewRecorder()
		sidecar.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(`{"maa_endpoint":"m","akv_endpoint":"a","kid":"k","runtime_data":"e30="}`)))
		if w.Code != 403 || w.Body.String() != want {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
}

// Without this a sidecar without a platform would attest in a test.
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
