package lab

import (
	"fmt"
	"io"
	"strings"
	"time"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
)

// goodScenario is the first one, in which nothing goes wrong.
const goodScenario = "good"

// scenario is a fault of the confidential pod or its cloud, with its later events.
type scenario struct {
	name, summary string
	pod           env.Pod // that runs
	noSidecar     bool
	impostor      bool   // someone between viewer and attested address
	before        action // before the pod starts; nil: nothing

	later     action // nil: nothing
	what      string // later does
	delay     time.Duration
	repeat    int  // of later; 0 means once
	unlocks   bool // after later the pod gets its key if it asks
	rotations int  // of the key, among the events
}

// decrypts reports whether the pod has its key from the start.
func (s scenario) decrypts() bool {
	return s.pod.Change == nil && s.pod.Role == "" && !s.noSidecar && !s.unlocks
}

type action func(*env.Environment) error

// scenarios returns all scenarios in the order to show them.
func scenarios() []scenario {
	return []scenario{
		{name: goodScenario, summary: "got the key: messages in plaintext"},
		{
			name: "tampered", summary: "its security policy was changed, so its measurement differs: the key is refused",
			pod: env.Pod{Change: func(g *snp.Guest) { g.SecurityPolicy = append(g.SecurityPolicy, "\nallow_exec := true"...) }},
		},
		{
			name: "debug", summary: "the host may read its memory: the key is refused",
			pod: env.Pod{Change: func(g *snp.Guest) { g.Debug = true }},
		},
		{
			name: "no-role", summary: "its identity may not release keys for 20 seconds; then the messages decrypt by themselves",
			pod:   env.Pod{Role: vault.User}, // a common mistake: the name suggests that this role releases
			delay: 20 * time.Second, what: "the pod's identity gets the role that it needs", unlocks: true,
			later: func(e *env.Environment) error {
				e.Cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
				return nil
			},
		},
		{
			name: "late", summary: "its sidecar starts after 15 seconds; then the messages decrypt by themselves",
			before: func(e *env.Environment) error { return e.Sidecar.Stop() },
			delay:  15 * time.Second, what: "the sidecar starts", unlocks: true,
			later: func(e *env.Environment) error { return e.Sidecar.Start() },
		},
		{
			name: "rotate", summary: "a new version of the key every 20 seconds, five times: the pod asks for each by itself",
			delay: 20 * time.Second, what: "the key gets a new version",
			repeat: 5, // every version stays in the pod's memory: old records need it
			later:  (*env.Environment).Rotate, rotations: 5,
		},
		{
			name: "throttled", summary: "the vault is too busy for 20 seconds; then the messages decrypt by themselves",
			before: func(e *env.Environment) error {
				e.Cloud.Vault.ThrottleUntil(time.Now().AddDate(1, 0, 0))
				return nil
			},
			delay: 20 * time.Second, what: "the vault has time again", unlocks: true,
			later: func(e *env.Environment) error {
				e.Cloud.Vault.ThrottleUntil(time.Time{})
				return nil
			},
		},
		{name: "impostor", summary: "someone relays its attested page with another TLS key: the page looks the same, and verify refuses it", impostor: true},
		{name: "ordinary", summary: "has no sidecar either: two ordinary pods", noSidecar: true},
	}
}

// findScenario returns the scenario of that name, the good one if it is empty.
func findScenario(name string) (scenario, error) {
	var names []string
	for _, s := range scenarios() {
		if s.name == name || name == "" {
			return s, nil
		}
		names = append(names, s.name)
	}
	return scenario{}, fmt.Errorf("the scenario %q is not known (hint: %s)", name, strings.Join(names, ", "))
}

// listScenarios prints one line for each scenario.
func listScenarios(out io.Writer) error {
	text := "The confidential pod, with make demo SCENARIO= or, while it runs, /scenario\n"
	for _, s := range scenarios() {
		text += fmt.Sprintf("  %-10s %s\n", s.name, s.summary)
	}
	_, err := io.WriteString(out, text)
	return err
}

// Scenarios returns all scenarios in the order to show them.
func (d *demo) Scenarios() (all []console.ScenarioInfo) {
	for _, s := range scenarios() {
		all = append(all, console.ScenarioInfo{Name: s.name, Summary: s.summary})
	}
	return all
}
