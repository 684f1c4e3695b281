package lab

import (
	"log/slog"
	"strings"
	"testing"

	"kafka-e2ee/lab/attacks"
)

// Without this the scoreboard could promise that an attack is noticed which is not, or hide one.
func TestAttacks(t *testing.T) {
	broker, err := newBroker(retentionBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	found, err := measure(t.Context(), broker.ListenAddrs(), func(d defence) string {
		name := strings.NewReplacer(" ", "-", ",", "").Replace(d.name)
		if err := broker.CreateTopic(name, 3, nil); err != nil {
			t.Fatal(err)
		}
		return name
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		defence, attack string
		outcome         attacks.Outcome
	}{
		{"rsa", "tamper", attacks.Refused},
		{"rsa", "replay", attacks.NotNoticed},
		{"envelope", "tamper", attacks.Refused},
		{"envelope", "replay", attacks.Flagged},
		{"envelope, signed, strict policy", "tamper", attacks.Refused},
		{"envelope, signed, strict policy", "replay", attacks.Flagged},
	} {
		for _, o := range found[want.defence] {
			if o.Attack == want.attack && o.Outcome != want.outcome {
				t.Errorf("%s, %s: got %s (%s), want %s", want.defence, want.attack, o.Outcome, o.Detail, want.outcome)
			}
		}
	}
}
