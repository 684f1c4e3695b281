package attested

import (
	"fmt"
	"strconv"

	"kafka-e2ee/skrclient/policy"
)

// Step is one step of a verification, in the order in which they are made.
type Step string

// The steps.
const (
	StepConnection Step = "connection" // TLS 1.3, and a P-256 certificate that is valid now
	StepOffer      Step = "offer"      // the server has an attestation document
	StepToken      Step = "token"      // the token is signed by an authority of the policy
	StepTime       Step = "time"       // the token is valid now, and not too old
	StepClaim      Step = "claim"      // one claim of the policy; one check for each
	StepDebug      Step = "debug"      // debugging is off, whatever the policy says
	StepPurpose    Step = "purpose"    // the runtime data is of this protocol
	StepKey        Step = "key"        // the certificate's key is the attested one
	StepNonce      Step = "nonce"      // the token was made for this connection
	StepKeyIDs     Step = "key_ids"    // the container holds the expected keys
)

// Check is the outcome of a step.
type Check struct {
	Step     Step   `json:"step"`
	Claim    string `json:"claim,omitempty"` // of StepClaim
	Expected string `json:"expected"`
	Actual   string `json:"actual"` // what the server says, escaped, so that it cannot control a terminal
	Passed   bool   `json:"passed"`
}

// Text says in words what the check found, without the values.
func (c Check) Text() string {
	words := map[Step][2]string{ // passed, failed
		StepConnection: {"the connection is TLS 1.3 with a valid P-256 certificate", "the connection is not TLS 1.3 with a valid P-256 certificate"},
		StepOffer:      {"the server offers an attestation", "no attestation"},
		StepToken:      {"the token is signed by the attestation service", "the token is not signed by the attestation service"},
		StepTime:       {"the token is valid now", "the token is not valid now"},
		StepClaim:      claimText(c.Claim),
		StepDebug:      {"debugging is off", "debugging is not off"},
		StepPurpose:    {"the token was made for a page", "the token was not made for a page"},
		StepKey:        {"the certificate's key is the attested one", "the certificate's key is not the attested one"},
		StepNonce:      {"the token was made for this connection", "the token was not made for this connection"},
		StepKeyIDs:     {"the pod holds the expected key", "the pod does not hold the expected key"},
	}[c.Step]
	if c.Passed {
		return words[0]
	}
	return words[1]
}

// claimText says what a claim of the policy means.
func claimText(claim string) [2]string {
	meaning := map[string][2]string{
		policy.ClaimType:       {"the hardware is of the expected type", "the hardware is not of the expected type"},
		policy.ClaimHostData:   {"the pod runs the expected code", "the pod does not run the expected code"},
		policy.ClaimCompliance: {"the guest system is the expected one", "the guest system is not the expected one"},
		policy.ClaimDebug:      {"debugging is as the policy demands", "debugging is not as the policy demands"},
		policy.ClaimVMPL:       {"the privilege level is the expected one", "the privilege level is not the expected one"},
	}
	words, known := meaning[claim]
	if !known {
		words = [2]string{"a claim is as the policy demands", "a claim is not as the policy demands"}
	}
	return [2]string{words[0] + " (" + claim + ")", words[1] + " (" + claim + ")"}
}

// String is the text with the expected and the actual value, in one line of printable ASCII.
func (c Check) String() string {
	return fmt.Sprintf("%s: expected %s, got %s", c.Text(), c.Expected, c.Actual)
}

// RefusedError says why an endpoint is not trusted. Any other error of this package means that the endpoint could not be
// checked.
type RefusedError struct{ Check Check }

// Error names the check with its expected and its actual value.
func (e *RefusedError) Error() string { return e.Check.String() }

// printable escapes all but printable ASCII, and cuts off what is longer than two lines.
func printable(text string) string {
	const limit = 200
	quoted := strconv.QuoteToASCII(text)
	quoted = quoted[1 : len(quoted)-1]
	if len(quoted) > limit {
		quoted = quoted[:limit] + "..."
	}
	return quoted
}
