// Package scenario lists what can happen to the confidential pod and its cloud.
package scenario

import (
	"fmt"
	"io"
	"strings"
	"time"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
)

// Good is the first one, in which nothing goes wrong.
const Good = "good"

// Scenario is a fault of the confidential pod or its cloud, with its later events.
type Scenario struct {
	Name, Summary string
	Pod           env.Pod // that runs
	NoSidecar     bool
	Impostor      bool                         // someone between viewer and attested address
	Before        func(*env.Environment) error // before the pod starts; nil: nothing

	Later     func(*env.Environment) error // nil: nothing
	What      string                       // Later does
	Delay     time.Duration
	Repeat    int  // of Later; 0 means once
	Unlocks   bool // after Later the pod gets its key if it asks
	Rotations int  // of the key, among the events
}

// Decrypts reports whether the pod has its key from the start.
func (s Scenario) Decrypts() bool {
	return s.Pod.Change == nil && s.Pod.Role == "" && !s.NoSidecar && !s.Unlocks
}

// All returns all scenarios in the order to show them.
func All() []Scenario {
	return []Scenario{
		{Name: Good, Summary: "got the key: messages in plaintext"},
		{
			Name: "tampered", Summary: "its security policy was changed, so its measurement differs: the key is refused",
			Pod: env.Pod{Change: env.Tampered},
		},
		{
			Name: "debug", Summary: "the host may read its memory: the key is refused",
			Pod: env.Pod{Change: func(g *snp.Guest) { g.Debug = true }},
		},
		{
			Name: "no-role", Summary: "its identity may not release keys for 20 seconds; then the messages decrypt by themselves",
			Pod:   env.Pod{Role: vault.User}, // a common mistake: the name suggests that this role releases
			Delay: 20 * time.Second, What: "the pod's identity gets the role that it needs", Unlocks: true,
			Later: func(e *env.Environment) error {
				e.Cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
				return nil
			},
		},
		{
			Name: "late", Summary: "its sidecar starts after 15 seconds; then the messages decrypt by themselves",
			Before: func(e *env.Environment) error { return e.Sidecar.Stop() },
			Delay:  15 * time.Second, What: "the sidecar starts", Unlocks: true,
			Later: func(e *env.Environment) error { return e.Sidecar.Start() },
		},
		{
			Name: "rotate", Summary: "a new version of the key every 20 seconds, five times: the pod asks for each by itself",
			Delay: 20 * time.Second, What: "the key gets a new version",
			Repeat: 5, // every version stays in the pod's memory: old records need it
			Later:  (*env.Environment).Rotate, Rotations: 5,
		},
		{
			Name: "throttled", Summary: "the vault is too busy for 20 seconds; then the messages decrypt by themselves",
			Before: func(e *env.Environment) error {
				e.Cloud.Vault.ThrottleUntil(time.Now().AddDate(1, 0, 0))
				return nil
			},
			Delay: 20 * time.Second, What: "the vault has time again", Unlocks: true,
			Later: func(e *env.Environment) error {
				e.Cloud.Vault.ThrottleUntil(time.Time{})
				return nil
			},
		},
		{Name: "impostor", Summary: "someone relays its attested page with another TLS key: the page looks the same, and verify refuses it", Impostor: true},
		{Name: "ordinary", Summary: "has no sidecar either: two ordinary pods", NoSidecar: true},
	}
}

// Find returns the scenario of that name, the good one if it is empty.
func Find(name string) (Scenario, error) {
	var names []string
	for _, s := range All() {
		if s.Name == name || name == "" {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("the scenario %q is not known (hint: %s)", name, strings.Join(names, ", "))
}

// List prints one line for each scenario.
func List(out io.Writer) error {
	text := "The confidential pod, with make demo SCENARIO= or make up SCENARIO=, and, while it runs, on the console\n"
	for _, s := range All() {
		text += fmt.Sprintf("  %-10s %s\n", s.Name, s.Summary)
	}
	_, err := io.WriteString(out, text)
	return err
}
