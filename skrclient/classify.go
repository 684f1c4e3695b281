package skrclient

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// classify finds the cause in the text of a 403, which wraps the text of what failed inside ("attestation failed: …:
// http response status equal to 400 Bad Request"). Nothing of the text gets into the result but a status number.
func classify(text string) *Error {
	text = strings.ToLower(text)
	refusal := &Error{Kind: KindRefused, Step: StepSidecar, Cause: CauseUnknown, Status: http.StatusForbidden}
	if status := innerStatus(text); status != 0 {
		refusal.Status = status
	}
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
		return false
	}
	refusal.Step = refusedStep(text)
	switch {
	case refusal.Step == StepAttestation && has("reported tcb", "tcb value", "tcb version", "certificate endpoint not set"):
		refusal.Cause = CauseTCB
	case has("no such host", "server misbehaving", "temporary failure in name resolution"):
		refusal.Cause = CauseName
	case has("connection refused", "connection reset", "i/o timeout", "tls handshake", "x509:", "no route to host", "network is unreachable", "deadline exceeded"):
		refusal.Cause = CauseNetwork
	case refusal.Status == http.StatusTooManyRequests:
		refusal.Cause = CauseThrottled
	case refusal.Status >= 500:
		refusal.Cause = CauseService
	case refusal.Step == StepAttestation:
		refusal.Cause = CauseAttestation
	case refusal.Step == StepVault:
		refusal.Step, refusal.Cause = vaultCause(refusal.Status, has)
	}
	return refusal
}

// refusedStep goes by the outermost words, which are the sidecar's own: those behind them are the services' and the
// names of keys and hosts, which may say anything.
func refusedStep(text string) Step {
	step, first := StepSidecar, len(text)
	for words, candidate := range map[string]Step{
		"attestation failed": StepAttestation, "maa token": StepAttestation, "maa post": StepAttestation, "tcb value": StepAttestation,
		"releasing the key": StepVault, "akv ": StepVault, "authentication token": StepVault,
	} {
		if at := strings.Index(text, words); at >= 0 && at < first {
			step, first = candidate, at
		}
	}
	return step
}

func vaultCause(status int, has func(...string) bool) (Step, Cause) {
	switch {
	case status == http.StatusUnauthorized || has("authentication token"):
		return StepVault, CauseIdentity
	case status == http.StatusNotFound:
		return StepVault, CauseNoKey
	case has("forbiddenbyrbac", "not authorized to perform action", "does not have keys release permission"):
		return StepVault, CauseRole
	case has("akv.skr.", "release policy", "environment assertion"):
		return StepPolicy, CausePolicy
	case status == http.StatusForbidden && has("status equal to"):
		return StepVault, CauseForbidden
	default:
		return StepVault, CauseUnknown
	}
}

// innerStatus is the last status that the text names: the outermost wrapping comes first.
func innerStatus(text string) int {
	found := regexp.MustCompile(`status equal to ([1-5][0-9]{2})\b`).FindAllStringSubmatch(text, -1)
	if found == nil {
		return 0
	}
	status, err := strconv.Atoi(found[len(found)-1][1])
	if err != nil {
		return 0
	}
	return status
}
