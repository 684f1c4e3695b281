// Package snp emulates a processor with AMD SEV-SNP: it signs attestation
// reports about guests, and serves the certificates that go with them.
//
//	chip, err := snp.NewChip()
//	report, err := chip.Report(snp.Guest{SecurityPolicy: policy}, reportData)
//
// The layout, the signature and the certificate chain ARK → ASK → VCEK are those
// of the hardware (AMD 56860 table 23, AMD 57230), so that a real verifier
// accepts them, given the emulated root. Nothing is measured: a guest describes
// itself, and the keys are in this process's memory.
package snp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
)

// TCB is the firmware level of the emulated chip: microcode 49, all else 0. The
// upstream sidecar's built-in report, for machines without SEV-SNP, has the same
// level, and the sidecar compares it with the certificate's.
const TCB uint64 = 0x31 << 56

// Guest describes a virtual machine in a report.
type Guest struct {
	SecurityPolicy []byte                    // HOST_DATA is its SHA-256
	Measurement    [abi.MeasurementSize]byte // of the guest's image at launch
	Debug          bool                      // the host may read the guest's memory
	VMPL           uint32                    // 0 to 3
}

// HostData returns the hash of the security policy. A key's release policy requires
// it as the measurement of the workload.
func (g Guest) HostData() [abi.HostDataSize]byte { return sha256.Sum256(g.SecurityPolicy) }

// Chip is one emulated processor. It is safe for concurrent use.
type Chip struct {
	ark, ask, vcek *x509.Certificate
	key            *ecdsa.PrivateKey
	id             [abi.ChipIDSize]byte
}

// NewChip creates a processor with a manufacturer of its own.
func NewChip() (*Chip, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the chip's key: %w", err)
	}
	c := &Chip{key: key}
	if _, err := rand.Read(c.id[:]); err != nil {
		return nil, fmt.Errorf("making the chip's id: %w", err)
	}
	if err := c.certify(); err != nil {
		return nil, fmt.Errorf("certifying the chip: %w", err)
	}
	return c, nil
}

// Report returns a signed report of 1184 bytes about the guest. The guest chooses
// the report data, which binds the report to other data.
func (c *Chip) Report(g Guest, reportData [abi.ReportDataSize]byte) ([]byte, error) {
	hostData, reportID := g.HostData(), [abi.ReportIDSize]byte{}
	if _, err := rand.Read(reportID[:]); err != nil {
		return nil, fmt.Errorf("making a report: %w", err)
	}
	report, err := abi.ReportToAbiBytes(&spb.Report{
		Version:         abi.ReportVersion2,
		Policy:          abi.SnpPolicyToBytes(abi.SnpPolicy{ABIMinor: 31, SMT: true, Debug: g.Debug}),
		FamilyId:        make([]byte, abi.FamilyIDSize),
		ImageId:         make([]byte, abi.ImageIDSize),
		Vmpl:            g.VMPL,
		SignatureAlgo:   abi.SignEcdsaP384Sha384,
		SignerInfo:      abi.ComposeSignerInfo(abi.SignerInfo{SigningKey: abi.VcekReportSigner}),
		CurrentTcb:      TCB,
		ReportData:      reportData[:],
		Measurement:     g.Measurement[:],
		HostData:        hostData[:],
		IdKeyDigest:     make([]byte, abi.IDKeyDigestSize),
		AuthorKeyDigest: make([]byte, abi.AuthorKeyDigestSize),
		ReportId:        reportID[:],
		ReportIdMa:      make([]byte, abi.ReportIDMASize),
		ReportedTcb:     TCB,
		ChipId:          c.id[:],
		CommittedTcb:    TCB,
		LaunchTcb:       TCB,
		Signature:       make([]byte, abi.SignatureSize),
	})
	if err != nil {
		return nil, fmt.Errorf("laying out a report: %w", err)
	}
	digest := sha512.Sum384(abi.SignedComponent(report))
	r, s, err := ecdsa.Sign(rand.Reader, c.key, digest[:])
	if err == nil {
		err = abi.SetSignature(r, s, report)
	}
	if err != nil {
		return nil, fmt.Errorf("signing a report: %w", err)
	}
	return report, nil
}

func (c *Chip) parts() kds.TCBParts { return kds.DecomposeTCBVersion(kds.TCBVersion(TCB)) }
