package policy

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Names of the claims that a workload's policy speaks of.
const (
	ClaimType       = "x-ms-attestation-type"
	ClaimHostData   = "x-ms-sevsnpvm-hostdata"
	ClaimCompliance = "x-ms-compliance-status"
	ClaimDebug      = "x-ms-sevsnpvm-is-debuggable"
	ClaimVMPL       = "x-ms-sevsnpvm-vmpl"
)

// Platform is where the workload runs.
type Platform string

// The platforms, and what the attestation service says of a sound one.
const (
	KataCC          Platform = "kata-cc"
	ConfidentialACI Platform = "confidential-aci"

	ComplianceKataCC = "azure-signed-katacc-uvm"
	ComplianceACI    = "azure-compliant-uvm"
)

// ForWorkload is the policy that releases a key to one workload alone: the hex
// SHA-256 of its security policy, on the platform, not debuggable.
func ForWorkload(maaEndpoint string, platform Platform, measurement string) (Policy, error) {
	if sum, err := hex.DecodeString(measurement); err != nil || len(sum) != 32 || hex.EncodeToString(sum) != measurement {
		return Policy{}, errors.New("making release policy: the measurement is not 64 lower-case hex digits (hint: base64 -d of the pod's policy annotation, then sha256sum)")
	}
	p, err := ForAnyWorkload(maaEndpoint, platform)
	if err != nil {
		return Policy{}, err
	}
	all := &p.Authorities[0].All
	*all = append(*all, Condition{Claim: ClaimHostData, Equals: measurement})
	return p, nil
}

// ForAnyWorkload leaves out the measurement: such a key goes to every
// confidential workload of the platform, whoever runs it. Only for experiments.
func ForAnyWorkload(maaEndpoint string, platform Platform) (Policy, error) {
	all := []Condition{{Claim: ClaimType, Equals: "sevsnpvm"}, {Claim: ClaimDebug, Equals: "false"}}
	switch platform {
	case KataCC:
		all = append(all, Condition{Claim: ClaimCompliance, Equals: ComplianceKataCC})
	case ConfidentialACI:
		all = append(all, Condition{Claim: ClaimCompliance, Equals: ComplianceACI}, Condition{Claim: ClaimVMPL, Equals: "0"})
	default:
		return Policy{}, fmt.Errorf("making release policy: got platform %q, want %s or %s", platform, KataCC, ConfidentialACI)
	}
	return Policy{Authorities: []Authority{{URL: "https://" + maaEndpoint, Condition: Condition{All: all}}}}, nil
}

// MarshalJSON writes the policy in the service's grammar.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Version string      `json:"version"`
		AnyOf   []Authority `json:"anyOf"`
	}{Version, p.Authorities})
}
