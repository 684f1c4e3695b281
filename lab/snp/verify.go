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

// Root holds the manufacturer's certificates that a verifier trusts.
type Root struct{ ark, ask *x509.Certificate }

// Read parses a report of any version and verifies nothing. The upstream sidecar's
// built-in report, for machines without SEV-SNP, has version 1.
func Read(report []byte) (*spb.Report, error) {
	if len(report) != abi.ReportSize {
		return nil, fmt.Errorf("parsing report: got %d bytes, want %d", len(report), abi.ReportSize)
	}
	parsed, err := abi.ReportToProto(report)
	if err != nil {
		return nil, errors.New("parsing report: the guest policy is unknown, or a reserved field is set")
	}
	return parsed, nil
}

// Verify returns a report only if a chip of the root signed it, at the firmware
// level in the chip's certificate. The certificates are PEM, the chip's first. The
// rest of them is ignored: the root's own certificates complete the chain.
func (r Root) Verify(report, certificates []byte) (*spb.Report, error) {
	parsed, err := Read(report)
	if err != nil {
		return nil, err
	}
	if err := abi.ValidateReportFormat(report); err != nil {
		return nil, fmt.Errorf("parsing report: got version %d, want %d to %d", parsed.GetVersion(), abi.MinSupportedReportVersion, abi.MaxSupportedReportVersion)
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
		return nil, errors.New("verifying report: the signature is not of a chip of the trusted root")
	}
	extensions, err := kds.VcekCertificateExtensions(vcek)
	if err != nil || !bytes.Equal(extensions.HWID, parsed.GetChipId()) {
		return nil, errors.New("verifying report: the certificate belongs to another chip")
	}
	if got, want := parsed.GetReportedTcb(), uint64(extensions.TCBVersion); got != want {
		return nil, fmt.Errorf("verifying report: the TCB version is %016x, the certificate's %016x", got, want)
	}
	return parsed, nil
}
