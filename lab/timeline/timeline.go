// Package timeline follows the release of a key to a pod, step by step, as sidecar, vault and pod report it.
//
//	t := timeline.New(env.KeyName, roles)
//	platform.OnStep, vaultConfig.OnPolicy = t.OnStep, t.OnPolicy
//	t.OnPod(status)      // again and again
//	steps := t.Steps()
//
// It knows no scenario: what nobody has reported is not in it.
package timeline

import (
	"slices"
	"strings"
	"sync"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/lab/sidecar"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/web/podstatus"
)

// Timeline holds the steps of the first release of the key that the pod got last, and of the attempt after that. A pod that
// asks again for a key that it has gets no new timeline. It is safe for concurrent use.
type Timeline struct {
	keyName string
	roles   func() []vault.Role // of the pod's identity, at this time

	mu                 sync.Mutex
	expected, measured string          // security policies
	attempt            [6]console.Step // the newest one
	release            [6]console.Step // of the key released
	released           string          // id of the key; empty: not released
	pod                podapi.Key      // what the pod says of its key
}

// The steps' places in a timeline.
const (
	report = iota
	token
	access
	decision
	key
	open
)

// New returns a timeline of releases of the key with that name.
func New(keyName string, roles func() []vault.Role) *Timeline {
	t := &Timeline{keyName: keyName, roles: roles}
	t.begin()
	return t
}

// begin begins an attempt.
func (t *Timeline) begin() {
	for i, name := range []string{console.StepReport, console.StepToken, console.StepVault, console.StepPolicy, console.StepKey, console.StepOpen} {
		t.attempt[i] = console.Step{Name: name}
	}
}

// Restart starts over, for a pod with that security policy. The key is for the expected one.
func (t *Timeline) Restart(expected, measured string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expected, t.measured, t.pod, t.released = expected, measured, podapi.Key{}, ""
	t.begin()
}

// OnStep takes what the sidecar reports.
func (t *Timeline) OnStep(step sidecar.Step) {
	if step.KeyName != t.keyName {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch step.Name {
	case sidecar.StepReport:
		t.begin()
		t.reach(report, step.Err)
	case sidecar.StepToken:
		t.reach(token, step.Err)
	case sidecar.StepVault:
		if step.Err != nil && t.attempt[decision].At.IsZero() {
			t.reach(access, step.Err)
			t.explainAccess(step.Err)
		}
	case sidecar.StepKey:
		t.reach(key, step.Err)
		if step.Key == nil {
			return
		}
		if id := envelope.KeyID(step.Key); id != t.released {
			t.release, t.released = t.attempt, id
		}
	}
}

func (t *Timeline) reach(i int, err error) {
	t.attempt[i].At, t.attempt[i].Failed = time.Now(), err != nil
}

// explainAccess explains a refusal that came before the vault looked at the token.
func (t *Timeline) explainAccess(err error) {
	step := &t.attempt[access]
	if strings.Contains(err.Error(), "Throttled") {
		step.Wait = console.WaitVault
	}
	if !strings.Contains(err.Error(), "ForbiddenByRbac") {
		return
	}
	var roles []string
	for _, role := range t.roles() {
		roles = append(roles, string(role))
	}
	step.Claim, step.Expected, step.Measured = "role of the pod's identity", string(vault.ReleaseUser), strings.Join(roles, ", ")
}

// OnPolicy takes what the vault decides by the release policy.
func (t *Timeline) OnPolicy(keyName string, unmet []policy.Check) {
	if keyName != t.keyName {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reach(access, nil)
	step := &t.attempt[decision]
	step.At, step.Failed = time.Now(), len(unmet) > 0
	if !step.Failed {
		return
	}
	step.Claim, step.Expected, step.Measured = unmet[0].Claim, unmet[0].Expected, unmet[0].Actual
	if unmet[0].Claim == policy.ClaimHostData {
		step.Diff = diff(t.expected, t.measured)
	}
}

// OnPod takes what the pod's page says. When the pod got a key is what the page says, too.
func (t *Timeline) OnPod(pod podapi.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pod = pod
	for _, held := range pod.Held {
		if held.ID == t.released {
			t.release[key].At = held.Since
		}
	}
}

// Pod returns what OnPod took last.
func (t *Timeline) Pod() podapi.Key {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pod
}

// Awaited returns the id of the released key whose first open record was not seen yet; empty if there is none.
func (t *Timeline) Awaited() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.release[open].At.IsZero() {
		return ""
	}
	return t.released
}

// OnOpen takes that the pod shows a record that the key opened.
func (t *Timeline) OnOpen(keyID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if keyID != "" && keyID == t.released && t.release[open].At.IsZero() {
		t.release[open].At = time.Now()
	}
}

// Steps returns the steps in order: those of the release, unless the newest attempt failed.
func (t *Timeline) Steps() []console.Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	steps := t.attempt
	if t.released != "" && !slices.ContainsFunc(steps[:], func(s console.Step) bool { return s.Failed }) {
		steps = t.release
	}
	if steps[report].At.IsZero() && t.pod.State == string(podstatus.KeyUnreachable) {
		steps[report].At, steps[report].Failed, steps[report].Wait = t.pod.Since, true, console.WaitSidecar
	}
	for i := range steps {
		if steps[i].Failed && t.pod.State != string(podstatus.KeyReleased) {
			steps[i].Reason = t.pod.Reason
		}
	}
	return steps[:]
}

// diff returns the lines that only one of two texts has.
func diff(before, after string) string {
	old, new := strings.Split(before, "\n"), strings.Split(after, "\n")
	var changed []string
	for _, line := range without(old, new) {
		changed = append(changed, "- "+line)
	}
	for _, line := range without(new, old) {
		changed = append(changed, "+ "+line)
	}
	return strings.Join(changed, "\n")
}

// without returns the lines that others lacks, each as often as it lacks it.
func without(lines, others []string) (rest []string) {
	have := make(map[string]int)
	for _, line := range others {
		have[line]++
	}
	for _, line := range lines {
		if have[line]--; have[line] < 0 {
			rest = append(rest, line)
		}
	}
	return rest
}
