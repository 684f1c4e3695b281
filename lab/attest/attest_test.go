package attest

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/lab/ca"
	"kafka-e2ee/lab/rest"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/skrclient/policy"
)

type fixture struct {
	cert    tls.Certificate
	chip    *snp.Chip
	service *Service
}

var shared = sync.OnceValues(func() (*fixture, error) {
	authority, err := ca.New()
	if err != nil {
		return nil, err
	}
	chip, err := snp.NewChip()
	if err != nil {
		return nil, err
	}
	cert, err := authority.Issue("maa.example")
	if err != nil {
		return nil, err
	}
	service, err := New(Config{
		Host: "maa.example", Certificate: cert, Root: chip.Root(), Logger: slog.New(slog.DiscardHandler),
		Compliance: map[[48]byte]string{{1}: policy.ComplianceKataCC},
	})
	return &fixture{cert, chip, service}, err
})

func setup(t testing.TB) *fixture {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// body returns a valid request. The function change edits its parts before they are encoded.
func (w *fixture) body(t testing.TB, guest snp.Guest, change func(outer map[string]any, inner map[string]string)) []byte {
	t.Helper()
	runtime := []byte(`{"keys":[]}`)
	report, err := w.chip.Report(guest, reportData(runtime))
	if err != nil {
		t.Fatal(err)
	}
	certs := w.chip.Certification()
	b64 := base64.URLEncoding.EncodeToString // padded, as the upstream sidecar does
	inner := map[string]string{"SnpReport": b64(report), "VcekCertChain": b64([]byte(certs.VCEK + certs.Chain)), "Endorsements": ""}
	outer := map[string]any{
		"runtimeData": map[string]any{"data": b64(runtime), "dataType": "JSON"}, "initTimeData": map[string]any{}, "nonce": uint64(7),
	}
	change(outer, inner)
	text, err := json.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	if outer["report"] == nil {
		outer["report"] = b64(text)
	}
	text, err = json.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func reportData(runtime []byte) (data [64]byte) {
	sum := sha256.Sum256(runtime)
	copy(data[:], sum[:])
	return data
}

func post(service http.Handler, method, target string, body []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	service.ServeHTTP(w, httptest.NewRequest(method, target, bytes.NewReader(body)))
	return w
}

const target = "/attest/SevSnpVM?api-version=2020-10-01"

func tokenClaims(t *testing.T, answer *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var body struct{ Token string }
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || answer.Code != 200 {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(body.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A release policy would compare claims that the report does not prove.
func TestTokenHoldsClaimsOfTheReport(t *testing.T) {
	w := setup(t)
	guest := snp.Guest{SecurityPolicy: []byte("policy"), Measurement: [48]byte{1}, Debug: true, VMPL: 1}
	claims := tokenClaims(t, post(w.service, "POST", target, w.body(t, guest, func(map[string]any, map[string]string) {})))
	for name, want := range map[string]any{
		"iss": "https://maa.example", "x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-signed-katacc-uvm",
		"x-ms-sevsnpvm-hostdata":      fmt.Sprintf("%x", sha256.Sum256([]byte("policy"))),
		"x-ms-sevsnpvm-is-debuggable": true, "x-ms-sevsnpvm-vmpl": 1.0, "x-ms-sevsnpvm-microcode-svn": 49.0, "nonce": 7.0,
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if text := fmt.Sprint(claims["x-ms-runtime"]); text != "map[keys:[]]" {
		t.Error("the runtime data is not in the token")
	}
	unknown := tokenClaims(t, post(w.service, "POST", target, w.body(t, snp.Guest{}, func(map[string]any, map[string]string) {})))
	if _, there := unknown["x-ms-compliance-status"]; there {
		t.Error("an unknown launch measurement counts as compliant")
	}
}

// A report that proves nothing would yield a token.
func TestBadEvidenceIsRefused(t *testing.T) {
	w := setup(t)
	for name, change := range map[string]func(outer map[string]any, inner map[string]string){
		"other runtime data": func(outer map[string]any, _ map[string]string) {
			outer["runtimeData"] = map[string]any{"data": base64.URLEncoding.EncodeToString([]byte(`{"keys":[{}]}`)), "dataType": "JSON"}
		},
		"no runtime data": func(outer map[string]any, _ map[string]string) { delete(outer, "runtimeData") },
		"init-time data":  func(outer map[string]any, _ map[string]string) { outer["initTimeData"] = map[string]any{"data": "e30"} },
		"binary runtime data": func(outer map[string]any, _ map[string]string) {
			outer["runtimeData"] = map[string]any{"data": base64.URLEncoding.EncodeToString([]byte(`{"keys":[]}`)), "dataType": "Binary"}
		},
		"no report":            func(_ map[string]any, inner map[string]string) { delete(inner, "SnpReport") },
		"truncated report":     func(_ map[string]any, inner map[string]string) { inner["SnpReport"] = inner["SnpReport"][:400] },
		"report is no base64":  func(_ map[string]any, inner map[string]string) { inner["SnpReport"] = "!" },
		"no certificates":      func(_ map[string]any, inner map[string]string) { inner["VcekCertChain"] = "" },
		"certificates garbled": func(_ map[string]any, inner map[string]string) { inner["VcekCertChain"] = "AAAA" },
		"outer garbled":        func(outer map[string]any, _ map[string]string) { outer["report"] = "AAAA" },
		"outer two documents": func(outer map[string]any, _ map[string]string) {
			outer["report"] = base64.URLEncoding.EncodeToString([]byte(`{}{}`))
		},
	} {
		answer := post(w.service, "POST", target, w.body(t, snp.Guest{}, change))
		if answer.Code != 400 || !strings.Contains(answer.Body.String(), `"InvalidParameter"`) {
			t.Errorf("%s: status %d: %s", name, answer.Code, answer.Body)
		}
	}
}

// A malformed request would crash the service or yield a token.
func TestBadRequestsAreRefused(t *testing.T) {
	w := setup(t)
	good := w.body(t, snp.Guest{}, func(map[string]any, map[string]string) {})
	for name, c := range map[string]struct {
		method, target string
		body           []byte
		status         int
	}{
		"get":             {"GET", target, nil, 405},
		"delete":          {"DELETE", target, good, 405},
		"no version":      {"POST", "/attest/SevSnpVM", good, 400},
		"unknown version": {"POST", "/attest/SevSnpVM?api-version=1999-01-01", good, 400},
		"empty":           {"POST", target, nil, 400},
		"malformed":       {"POST", target, []byte("{"), 400},
		"truncated":       {"POST", target, good[:len(good)/2], 400},
		"two documents":   {"POST", target, append(bytes.Clone(good), '{', '}'), 400},
		"a list":          {"POST", target, []byte("[]"), 400},
		"huge":            {"POST", target, bytes.Repeat([]byte(" "), rest.MaxBody+1), 413},
		"post to certs":   {"POST", "/certs", nil, 405},
		"elsewhere":       {"GET", "/attest", nil, 404},
	} {
		if answer := post(w.service, c.method, c.target, c.body); answer.Code != c.status {
			t.Errorf("%s: status %d, want %d", name, answer.Code, c.status)
		}
	}
}

// The dangerous option could be on by default, or could fail to serve the sidecar
// on a laptop.
func TestUnsignedReports(t *testing.T) {
	w := setup(t)
	unsigned := func(_ map[string]any, inner map[string]string) {
		raw, err := base64.URLEncoding.DecodeString(inner["SnpReport"])
		if err != nil {
			t.Fatal(err)
		}
		clear(raw[0x2a0:])
		inner["SnpReport"] = base64.URLEncoding.EncodeToString(raw)
	}
	body := w.body(t, snp.Guest{}, unsigned)
	if answer := post(w.service, "POST", target, body); answer.Code != 400 {
		t.Errorf("an unsigned report: status %d", answer.Code)
	}
	open, err := New(Config{
		Host: "maa.example", Certificate: w.cert, Root: w.chip.Root(), DangerouslyAcceptAnyReport: true, AnyCompliance: "x", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if claims := tokenClaims(t, post(open, "POST", target, body)); claims["x-ms-compliance-status"] != "x" {
		t.Error("no compliance status")
	}
}

// Crafted evidence could crash the service.
func FuzzAttest(f *testing.F) {
	w := setup(f)
	f.Add(w.body(f, snp.Guest{}, func(map[string]any, map[string]string) {}))
	f.Add([]byte(`{"report":"e30"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := post(w.service, "POST", target, body)
		if answer.Code != 200 && answer.Code != 400 && answer.Code != 413 {
			t.Fatalf("status %d", answer.Code)
		}
	})
}
