package snp

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

// Root is whom a verifier trusts.
type Root struct{ ark, ask *x509.Certificate }

// Parse reads a report without verifying anything.
func Parse(report []byte) (*spb.Report, error) {
	if len(report) != abi.ReportSize {
		return nil, fmt.Errorf("parsing report: got %d bytes, want %d", len(report), abi.ReportSize)
	}
	if err := abi.ValidateReportFormat(report); err != nil {
		return nil, errors.New("parsing report: the version or the guest policy is none that is known")
	}
	parsed, err := abi.ReportToProto(report)
	if err != nil {
		return nil, errors.New("parsing report: a reserved field is set")
	}
	return parsed, nil
}

// Verify returns a report only if a chip of the root has signed it, at the
// firmware level that the chip's certificate names. The certificates are PEM,
// the chip's first; of the others the root's own are used.
func (r Root) Verify(report, certificates []byte) (*spb.Report, error) {
	parsed, err := Parse(report)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certificates)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("verifying report: the certificate chain is not PEM")
	}
	vcek, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("verifying report: the first certificate cannot be read")
	}
	root := trust.AMDRootCertsProduct(productLine)
	root.ProductCerts = &trust.ProductCerts{Ark: r.ark, Ask: r.ask}
	err = verify.SnpAttestation(
		&spb.Attestation{Report: parsed, CertificateChain: &spb.CertificateChain{VcekCert: vcek.Raw}},
		&verify.Options{DisableCertFetching: true, TrustedRoots: map[string][]*trust.AMDRootCerts{productLine: {root}}},
	)
	if err != nil {
		return nil, errors.New("verifying report: it is not signed by a chip of the trusted root")
	}
	extensions, err := kds.VcekCertificateExtensions(vcek)
	if err != nil || !bytes.Equal(extensions.HWID, parsed.GetChipId()) {
		return nil, errors.New("verifying report: the certificate is that of another chip")
	}
	if got, want := parsed.GetReportedTcb(), uint64(extensions.TCBVersion); got != want {
		return nil, fmt.Errorf("verifying report: the TCB version is %016x, the certificate's %016x", got, want)
	}
	return parsed, nil
}
