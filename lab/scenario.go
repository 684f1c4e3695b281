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
	"kafka-e2ee/lab/vault"
)

// scenario is how the confidential pod's way to its key differs from the good
// one, and what happens later.
type scenario struct {
	about string
	// guest changes the pod that runs; the key was made for the unchanged one.
	guest   func(*snp.Guest)
	role    vault.Role // of the pod's identity; empty means the one that it needs
	busy    bool       // the vault refuses everyone for now
	absent  bool       // the sidecar is not there, for now
	without bool       // it never comes
	then    step
}

// step happens once after a time or, where it repeats, each time that it passes.
type step struct {
	after   time.Duration
	repeats bool
	do      func(context.Context, *stage) error
}

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
			then: step{after: 20 * time.Second, do: func(_ context.Context, s *stage) error {
				s.cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
				return nil
			}},
		},
		"late": {
			about:  "its sidecar comes up after 15 seconds; then the messages open by themselves",
			absent: true,
			then: step{after: 15 * time.Second, do: func(_ context.Context, s *stage) error {
				return s.sidecar.Start() //nolint:contextcheck // it runs until it is stopped
			}},
		},
		"rotate": {
			about: "a new key every 20 seconds: the pod is restarted with all versions, the producer with the newest",
			then:  step{after: 20 * time.Second, repeats: true, do: func(ctx context.Context, s *stage) error { return s.rotate(ctx) }},
		},
		"throttled": {
			about: "the vault is too busy for 20 seconds; then the messages open by themselves",
			busy:  true,
			then: step{after: 20 * time.Second, do: func(_ context.Context, s *stage) error {
				s.cloud.Vault.ThrottleUntil(time.Time{})
				return nil
			}},
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
func (s *stage) play(ctx context.Context, after func(time.Duration) <-chan time.Time) error {
	for next := s.scenario.then; next.do != nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-after(next.after):
		}
		if err := next.do(ctx, s); err != nil {
			return err
		}
		if !next.repeats {
			break
		}
	}
	return nil
}
