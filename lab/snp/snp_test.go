package snp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-sev-guest/abi"
)

func chip(t testing.TB) *Chip {
	t.Helper()
	c, err := NewChip()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Real clients and services could not read a report. The offsets here are from the
// specification, not from the code.
func TestReportLayout(t *testing.T) {
	guest := Guest{SecurityPolicy: []byte("policy"), Debug: true, VMPL: 2, Measurement: [48]byte{1, 2, 3}}
	report, err := chip(t).Report(guest, [64]byte{9, 8, 7})
	if err != nil {
		t.Fatal(err)
	}
	host := guest.HostData()
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(report[at:]) }
	switch {
	case len(report) != 1184:
		t.Errorf("got %d bytes", len(report))
	case u64(8)>>19&1 != 1:
		t.Error("the debug bit is not set")
	case binary.LittleEndian.Uint32(report[48:]) != 2:
		t.Error("wrong VMPL")
	case !bytes.HasPrefix(report[80:], []byte{9, 8, 7, 0}):
		t.Error("wrong report data")
	case !bytes.HasPrefix(report[144:], []byte{1, 2, 3, 0}):
		t.Error("wrong measurement")
	case !bytes.Equal(report[192:224], host[:]):
		t.Error("wrong host data")
	case u64(384) != 0x3100000000000000:
		t.Error("wrong TCB")
	}
}

// Anyone could claim to be any workload. Only a report that a chip of the trusted
// root signed counts.
func TestVerify(t *testing.T) {
	mine, other := chip(t), chip(t)
	report, err := mine.Report(Guest{SecurityPolicy: []byte("policy")}, [64]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Root().Verify(report, append(mine.vcekPEM(), mine.chainPEM()...)); err != nil {
		t.Fatalf("a good report: %v", err)
	}
	changed := func(at int, bits byte) []byte {
		copied := bytes.Clone(report)
		copied[at] ^= bits
		return copied
	}
	for name, c := range map[string]struct {
		report, certs []byte
		root          Root
	}{
		"another host data":      {changed(192, 1), mine.vcekPEM(), mine.Root()},
		"version 1":              {changed(0, 3), mine.vcekPEM(), mine.Root()},
		"another policy":         {changed(10, 1), mine.vcekPEM(), mine.Root()},
		"another signature":      {changed(0x2a0, 1), mine.vcekPEM(), mine.Root()},
		"another chip's":         {report, other.vcekPEM(), other.Root()},
		"another manufacturer's": {report, mine.vcekPEM(), other.Root()},
		"the chain's own root":   {report, append(other.vcekPEM(), mine.chainPEM()...), mine.Root()},
		"no certificates":        {report, nil, mine.Root()},
		"nonsense":               {report, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), mine.Root()},
		"truncated":              {report[:1183], mine.vcekPEM(), mine.Root()},
		"too long":               {append(bytes.Clone(report), 0), mine.vcekPEM(), mine.Root()},
		"empty":                  {nil, mine.vcekPEM(), mine.Root()},
		"unsigned":               {append(bytes.Clone(report[:0x2a0]), make([]byte, 512)...), mine.vcekPEM(), mine.Root()},
	} {
		if _, err := c.root.Verify(c.report, c.certs); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

// A chip with old firmware could pass for one with new firmware. The report here
// has a valid signature, but another level than the certificate.
func TestVerifyComparesFirmware(t *testing.T) {
	c := chip(t)
	report, err := c.Report(Guest{}, [64]byte{})
	if err != nil {
		t.Fatal(err)
	}
	report[391]-- // the microcode's level
	digest := sha512.Sum384(report[:0x2a0])
	r, s, err := ecdsa.Sign(rand.Reader, c.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := abi.SetSignature(r, s, report); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Root().Verify(report, c.vcekPEM()); err == nil || !strings.Contains(err.Error(), "TCB version is 30") {
		t.Errorf("got %v", err)
	}
}

// A sidecar would not find the certificates for its reports, or would see a
// firmware mismatch.
func TestCertificates(t *testing.T) {
	c := chip(t)
	for name, test := range map[string]struct {
		method, path, header string
		status               int
	}{
		"good":      {http.MethodGet, CertificationPath, "true", 200},
		"no header": {http.MethodGet, CertificationPath, "", 400},
		"post":      {http.MethodPost, CertificationPath, "true", 405},
		"elsewhere": {http.MethodGet, "/", "true", 404},
	} {
		r := httptest.NewRequest(test.method, test.path, nil)
		if test.header != "" {
			r.Header.Set("Metadata", test.header)
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%s: status %d, want %d", name, w.Code, test.status)
		}
		if test.status == 200 && !strings.Contains(w.Body.String(), `"tcbm":"3100000000000000"`) {
			t.Errorf("%s: the firmware level is missing: %s", name, w.Body)
		}
	}
}

// A crafted report or chain could crash the attestation service.
func FuzzVerify(f *testing.F) {
	c := chip(f)
	report, err := c.Report(Guest{}, [64]byte{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(report, c.vcekPEM())
	f.Add(report[:100], []byte("x"))
	f.Fuzz(func(t *testing.T, text, certs []byte) {
		if _, err := Read(text); err != nil && bytes.Equal(text, report) {
			t.Fatal(err)
		}
		parsed, err := c.Root().Verify(text, certs)
		if err != nil {
			return
		}
		if !bytes.Equal(text, report) {
			t.Fatalf("verified a report that the chip did not sign, with host data %s", hex.EncodeToString(parsed.GetHostData()))
		}
	})
}
