package lab

import (
	"testing"

	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/scenario"
)

// Without this the greeting would say that a pod without a key shows messages from a proven sender.
func TestGreetingPromisesOnlyWhatThePodShows(t *testing.T) {
	for _, s := range scenario.All() {
		want := ""
		switch s.Name {
		case scenario.Good, "rotate", "impostor":
			want = ", from a proven sender"
		}
		if got := provenance(s, formats.Envelope); got != want {
			t.Errorf("%s: the greeting adds %q, want %q", s.Name, got, want)
		}
		if got := provenance(s, formats.RSA); got != "" {
			t.Errorf("%s: records of the format rsa have no sender, and the greeting adds %q", s.Name, got)
		}
	}
}
