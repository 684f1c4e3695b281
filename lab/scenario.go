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
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/stage"
	"kafka-e2ee/lab/vault"
)

// scenario is how the confidential pod's way to its key differs from the good
// one, and what happens later.
type scenario struct {
	about   string
	guest   func(*snp.Guest) // changes the pod that runs
	role    vault.Role       // of the pod's identity; empty means the one that it needs
	before  event            // of the first message; nil: nothing
	without bool             // there is no sidecar
	then    event            // nil: nothing happens later
	after   time.Duration    // of then
	times   int              // that then happens; 0 means once
}

type event func(context.Context, *stage.Stage) error

func scenarios() map[string]scenario {
	return map[string]scenario{
		"": {about: "got the key: messages in plaintext"},
		"tampered": {
			about: "its security policy was changed, so its measurement differs: the key is refused",
			guest: func(g *snp.Guest) { g.SecurityPolicy = append(g.SecurityPolicy, "\nallow_exec := true"...) },
		},
		"debug": {
			about: "the host may read its memory: the key is refused",
			guest: func(g *snp.Guest) { g.Debug = true },
		},
		"no-role": {
			about: "its identity may not release keys for 20 seconds; then the messages open by themselves",
			role:  vault.User, // as in many a first try: the name suggests that it may
			after: 20 * time.Second,
			then: func(_ context.Context, s *stage.Stage) error {
				s.Cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
				return nil
			},
		},
		"late": {
			about:  "its sidecar comes up after 15 seconds; then the messages open by themselves",
			before: func(_ context.Context, s *stage.Stage) error { return s.Sidecar.Stop() },
			after:  15 * time.Second,
			then:   func(_ context.Context, s *stage.Stage) error { return s.Sidecar.Start() },
		},
		"rotate": {
			about: "a new version of the key every 20 seconds, five times: it asks for each by itself",
			after: 20 * time.Second,
			times: 5, // each version stays in the pod's memory, as it must
			then:  func(ctx context.Context, s *stage.Stage) error { return s.Rotate(ctx) },
		},
		"throttled": {
			about: "the vault is too busy for 20 seconds; then the messages open by themselves",
			before: func(_ context.Context, s *stage.Stage) error {
				s.Cloud.Vault.ThrottleUntil(time.Now().AddDate(1, 0, 0))
				return nil
			},
			after: 20 * time.Second,
			then: func(_ context.Context, s *stage.Stage) error {
				s.Cloud.Vault.ThrottleUntil(time.Time{})
				return nil
			},
		},
		"ordinary": {about: "has no sidecar either: two ordinary pods", without: true},
	}
}

func findScenario(name string) (scenario, error) {
	found, ok := scenarios()[name]
	if !ok {
		return scenario{}, fmt.Errorf("the scenario %q is not known (hint: %s)", name, strings.Join(scenarioNames(), ", "))
	}
	return found, nil
}

// scenarioNames are those that can be asked for; the good one has none.
func scenarioNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(scenarios())), func(name string) bool { return name == "" })
}

// listScenarios says in a line each what can happen to the confidential pod.
func listScenarios(out io.Writer) error {
	text, all := "The confidential pod, with make demo SCENARIO=\n", scenarios()
	for _, name := range append([]string{""}, scenarioNames()...) {
		text += fmt.Sprintf("  %-10s %s\n", name, all[name].about)
	}
	_, err := io.WriteString(out, text)
	return err
}

// play does what the scenario has planned, until ctx ends.
func (s scenario) play(ctx context.Context, on *stage.Stage, after func(time.Duration) <-chan time.Time) error {
	if s.then == nil {
		return nil
	}
	for range max(s.times, 1) {
		select {
		case <-ctx.Done():
			return nil
		case <-after(s.after):
		}
		if err := s.then(ctx, on); err != nil {
			return err
		}
	}
	return nil
}
