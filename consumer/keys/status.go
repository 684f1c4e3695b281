package keys

import (
	"slices"

	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web/podstatus"
)

// Status returns the status that the page shows.
func (k *Requester) Status() podstatus.Key {
	status := k.fixed
	if k.keeper == nil {
		status.State, status.Since = podstatus.KeyNotConfigured, k.started
		return status
	}
	s := k.keeper.Status()
	status.State, status.Since, status.Confirmed = k.stateOf(s.State), s.Since, s.Confirmed
	status.Attempts, status.NextAttempt = s.Attempts, s.NextAttempt
	if k.attestation != nil {
		status.Attestation = k.attestation.status()
	}
	if s.Last != nil {
		status.Step, status.Reason = string(s.Last.Step), string(s.Last.Cause)
		status.Pending = pending(s.Last)
		status.ByPolicy = s.Last.Cause == skrclient.CausePolicy || s.Last.Cause == skrclient.CauseForbidden
	}
	k.mu.Lock()
	status.Held = slices.Clone(k.held)
	k.mu.Unlock()
	for _, key := range s.Keys {
		info := podstatus.KeyInfo{Name: key.Name, State: k.stateOf(key.State), UnexpectedID: key.UnexpectedID}
		if private := key.Private(); private != nil {
			info.ID = envelope.KeyID(&private.PublicKey)
		}
		status.Keys = append(status.Keys, info)
	}
	return status
}

func (k *Requester) stateOf(s skrclient.State) podstatus.KeyState {
	switch s {
	case skrclient.StateReleased:
		if k.fixed.Provider == providerFile {
			return podstatus.KeyFromFile
		}
		return podstatus.KeyReleased
	case skrclient.StateRefused:
		return podstatus.KeyRefused
	case skrclient.StateUnexpected:
		return podstatus.KeyUnexpected
	case skrclient.StateUnreachable:
		return podstatus.KeyUnreachable
	default:
		return podstatus.KeyWaiting
	}
}

// pending returns why a failure may resolve itself. It is empty for a refusal, which only a person can change.
func pending(failure *skrclient.Error) podstatus.Pending {
	switch failure.Cause {
	case skrclient.CauseThrottled:
		return podstatus.PendingBusy
	case skrclient.CauseHostNotFound, skrclient.CauseNetwork, skrclient.CauseUntrustedCertificate, skrclient.CauseServiceFailed, skrclient.CauseIdentityProvider:
		return podstatus.PendingUnavailable
	case skrclient.CauseNoReport, skrclient.CauseNoCertificates:
		return podstatus.PendingNoProof
	case skrclient.CauseHubStarting:
		return podstatus.PendingStarting
	case skrclient.CauseNotLoopback:
		return podstatus.PendingElsewhere
	default:
		return ""
	}
}
