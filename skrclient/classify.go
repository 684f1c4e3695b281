package skrclient

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// classify finds the cause in the text of a 403, which wraps the text of the inner failure ("attestation failed: …: http
// response status equal to 400 Bad Request"). Newer sidecars put a reference to their documentation first. The result
// holds nothing of the text but a status number.
func classify(text string) *Error {
	text = strings.ToLower(text)
	refusal := &Error{Kind: KindRefused, Step: refusedStep(text), Cause: CauseUnknownReason, Status: http.StatusForbidden}
	inner := innerStatus(text)
	if inner != 0 {
		refusal.Status = inner
	}
	switch refusal.Step {
	case StepAttestation:
		refusal.Cause = attestationCause(text, inner)
	case StepIdentity:
		refusal.Cause = identityCause(text, inner)
	case StepVault:
		refusal.Step, refusal.Cause = vaultCause(text, inner)
	default:
		refusal.Cause = serviceCause(text, inner)
	}
	return refusal
}

// refusedStep returns the step of the first known phrase. Only the outermost text is the sidecar's own; the rest comes
// from the services and from key and host names, which are arbitrary.
func refusedStep(text string) Step {
	step, first := StepSidecar, len(text)
	for phrase, candidate := range map[string]Step{
		"attestation failed": StepAttestation, "maa token": StepAttestation, "maa post": StepAttestation, "tcb value": StepAttestation,
		"authentication token": StepIdentity, "releasing the key": StepVault, "akv ": StepVault,
	} {
		if at := strings.Index(text, phrase); at >= 0 && at < first {
			step, first = candidate, at
		}
	}
	return step
}

// serviceCause finds the failures that any service can have: no response, or a response with an error status.
func serviceCause(text string, status int) Cause {
	switch {
	case status == http.StatusTooManyRequests:
		return CauseThrottled
	case status >= 500:
		return CauseServiceFailed
	case status != 0: // it responded, so the rest of the text is its own
		return CauseUnknownReason
	case containsAny(text, "no such host", "server misbehaving", "temporary failure in name resolution"):
		return CauseHostNotFound
	case containsAny(text, "x509:"):
		return CauseUntrustedCertificate
	case containsAny(text, "connection refused", "connection reset", "i/o timeout", "tls handshake", "no route to host", "network is unreachable", "deadline exceeded"):
		return CauseNetwork
	default:
		return CauseUnknownReason
	}
}

// attestationCause also finds the failures before the attestation service was asked.
func attestationCause(text string, status int) Cause {
	before, _, asked := strings.Cut(text, "maa token from maa endpoint failed")
	asked = asked || containsAny(text, "maa post")
	switch {
	case containsAny(before, "ioctl failed", "retrieve attestation report", "retrieve new attestation report", "create attestation report fetcher", "fetching attestation report failed", "fetching snp report failed", "opening snp device", "sev device is not found"):
		return CauseNoReport
	case containsAny(before, "reported tcb", "tcb value", "tcb version", "certificate endpoint not set"):
		return CauseTCB
	case containsAny(before, "refreshing certchain failed"):
		return CauseNoCertificates
	}
	cause := serviceCause(text, status)
	if cause == CauseUnknownReason && asked && status != 0 {
		return CauseAttestation
	}
	return cause
}

// identityCause distinguishes a failed identity provider from a rejected identity.
func identityCause(text string, status int) Cause {
	switch cause := serviceCause(text, status); {
	case cause == CauseThrottled:
		return cause
	case cause != CauseUnknownReason, containsAny(text, "unmarshalling authentication token"):
		return CauseIdentityProvider
	default:
		return CauseIdentity
	}
}

func vaultCause(text string, status int) (Step, Cause) {
	switch {
	case status == http.StatusUnauthorized:
		return StepVault, CauseIdentity
	case status == http.StatusNotFound:
		return StepVault, CauseNoKey
	case status == http.StatusTooManyRequests || status >= 500:
		return StepVault, serviceCause(text, status)
	case containsAny(text, "forbiddenbyrbac", "not authorized to perform action", "does not have keys release permission"):
		return StepVault, CauseNoRole
	case containsAny(text, "akv.skr.", "release policy", "environment assertion"):
		return StepPolicy, CausePolicy
	case status == http.StatusForbidden:
		return StepVault, CauseForbidden
	default:
		return StepVault, serviceCause(text, status)
	}
}

func containsAny(text string, phrases ...string) bool {
	return slices.ContainsFunc(phrases, func(phrase string) bool { return strings.Contains(text, phrase) })
}

var statusPhrase = regexp.MustCompile(`status (?:equal to|code was) ([1-5][0-9]{2})\b`)

// innerStatus is the last status in the text, because the outermost error comes first. The sidecar writes "http response
// status equal to", its library for workload identities "reply status code was".
func innerStatus(text string) int {
	found := statusPhrase.FindAllStringSubmatch(text, -1)
	if found == nil {
		return 0
	}
	status, err := strconv.Atoi(found[len(found)-1][1])
	if err != nil {
		return 0
	}
	return status
}
