package policy

import (
	"crypto/sha256"
	"encoding/hex"
)

// Names of the claims in a workload's policy.
const (
	ClaimType       = "x-ms-attestation-type"
	ClaimHostData   = "x-ms-sevsnpvm-hostdata"
	ClaimCompliance = "x-ms-compliance-status"
	ClaimDebug      = "x-ms-sevsnpvm-is-debuggable"
	ClaimVMPL       = "x-ms-sevsnpvm-vmpl"
)

// The compliance statuses that the attestation service gives a sound guest of Kata CC and of confidential Azure Container
// Instances.
const (
	ComplianceKataCC = "azure-signed-katacc-uvm"
	ComplianceACI    = "azure-compliant-uvm"
)

// ForWorkload returns a policy that releases a key to one workload on Kata CC only. The measurement is the hash of the
// workload's security policy. The release policy also requires a sound guest, and that debugging is off.
func ForWorkload(maaEndpoint string, measurement [sha256.Size]byte) Policy {
	return Policy{Authorities: []Authority{{URL: "https://" + maaEndpoint, Condition: Condition{All: []Condition{
		{Claim: ClaimType, Equals: "sevsnpvm"},
		{Claim: ClaimDebug, Equals: "false"},
		{Claim: ClaimCompliance, Equals: ComplianceKataCC},
		{Claim: ClaimHostData, Equals: hex.EncodeToString(measurement[:])},
	}}}}}
}

// ForEitherPlatform returns a policy that one workload satisfies on Kata CC and, at VMPL 0, on confidential Azure Container
// Instances. It is for verifying a workload whose key's policy is not at hand.
func ForEitherPlatform(maaEndpoint string, measurement [sha256.Size]byte) Policy {
	return Policy{Authorities: []Authority{{URL: "https://" + maaEndpoint, Condition: Condition{All: []Condition{
		{Claim: ClaimType, Equals: "sevsnpvm"},
		{Claim: ClaimHostData, Equals: hex.EncodeToString(measurement[:])},
		{Claim: ClaimDebug, Equals: "false"},
		{Any: []Condition{
			{Claim: ClaimCompliance, Equals: ComplianceKataCC},
			{All: []Condition{{Claim: ClaimCompliance, Equals: ComplianceACI}, {Claim: ClaimVMPL, Equals: "0"}}},
		}},
	}}}}}
}
