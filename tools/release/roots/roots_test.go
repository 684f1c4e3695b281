package roots_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"

	"kafka-e2ee/tools/release/roots"
)

// Without this the programs in the images could reach no TLS server, or trust a root that is trusted no longer, or only
// with a condition.
func TestPEM(t *testing.T) {
	var names []string
	for rest := roots.PEM(); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				t.Errorf("%d bytes are no certificates", len(rest))
			}
			break
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !root.IsCA {
			t.Errorf("%s is no authority", root.Subject)
		}
		names = append(names, root.Subject.CommonName)
	}
	if len(names) < 100 {
		t.Errorf("there are only %d roots", len(names))
	}
	// Azure's attestation service, vault and Event Hubs use these.
	for _, want := range []string{"DigiCert Global Root G2", "Microsoft RSA Root Certificate Authority 2017"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.Contains(names, "Entrust Root Certification Authority - G2") {
		t.Error("a root is in it that is trusted only for old certificates")
	}
}
