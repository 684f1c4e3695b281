package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
)

// scenario is a fault of the confidential pod or its cloud, with its later events.
type scenario struct {
	summary     string
	changeGuest func(*snp.Guest) // changes the pod that runs
	role        vault.Role       // of the pod's identity; empty means the role that it needs
	noSidecar   bool
	impostor    bool          // someone between viewer and attested address
	before      event         // before the first message; nil: nothing
	later       event         // nil: nothing
	delay       time.Duration // before later
	repeat      int           // of later; 0 means once
	rotations   int           // of the key, among the events
}

type event func(*env.Environment) error

func scenarios() map[string]scenario {
	return map[string]scenario{
		"": {summary: "got the key: messages in plaintext"},
		"tampered": {
			summary:     "its security policy was changed, so its measurement differs: the key is refused",
			changeGuest: func(g *snp.Guest) { g.SecurityPolicy = append(g.SecurityPolicy, "\nallow_exec := true"...) },
		},
		"debug": {
			summary:     "the host may read its memory: the key is refused",
			changeGuest: func(g *snp.Guest) { g.Debug = true },
		},
		"no-role": {
			summary: "its identity may not release keys for 20 seconds; then the messages decrypt by themselves",
			role:    vault.User, // a common mistake: the name suggests that this role releases
			delay:   20 * time.Second,
			later: func(e *env.Environment) error {
				e.Cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
				return nil
			},
		},
		"late": {
			summary: "its sidecar starts after 15 seconds; then the messages decrypt by themselves",
			before:  func(e *env.Environment) error { return e.Sidecar.Stop() },
			delay:   15 * time.Second,
			later:   func(e *env.Environment) error { return e.Sidecar.Start() },
		},
		"rotate": {
			summary: "a new version of the key every 20 seconds, five times: the pod asks for each by itself",
			delay:   20 * time.Second,
			repeat:  5, // every version stays in the pod's memory: old records need it
			later:   (*env.Environment).Rotate, rotations: 5,
		},
		"throttled": {
			summary: "the vault is too busy for 20 seconds; then the messages decrypt by themselves",
			before: func(e *env.Environment) error {
				e.Cloud.Vault.ThrottleUntil(time.Now().AddDate(1, 0, 0))
				return nil
			},
			delay: 20 * time.Second,
			later: func(e *env.Environment) error {
				e.Cloud.Vault.ThrottleUntil(time.Time{})
				return nil
			},
		},
		"impostor": {summary: "someone relays its attested page with another TLS key: the page looks the same, and verify refuses it", impostor: true},
		"ordinary": {summary: "has no sidecar either: two ordinary pods", noSidecar: true},
	}
}

func findScenario(name string) (scenario, error) {
	found, ok := scenarios()[name]
	if !ok {
		return scenario{}, fmt.Errorf("the scenario %q is not known (hint: %s)", name, strings.Join(scenarioNames(), ", "))
	}
	return found, nil
}

// scenarioNames are sorted, without the nameless scenario in which nothing goes
// wrong.
func scenarioNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(scenarios())), func(name string) bool { return name == "" })
}

// listScenarios prints one line for each scenario.
func listScenarios(out io.Writer) error {
	text, all := "The confidential pod, with make demo SCENARIO=\n", scenarios()
	for _, name := range append([]string{""}, scenarioNames()...) {
		text += fmt.Sprintf("  %-10s %s\n", name, all[name].summary)
	}
	_, err := io.WriteString(out, text)
	return err
}

// play runs the scenario's later events until ctx ends.
func (s scenario) play(ctx context.Context, e *env.Environment, after func(time.Duration) <-chan time.Time) error {
	if s.later == nil {
		return nil
	}
	for range max(s.repeat, 1) {
		select {
		case <-ctx.Done():
			return nil
		case <-after(s.delay):
		}
		if err := s.later(e); err != nil {
			return err
		}
	}
	return nil
}
