package producer

import (
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/kafkaconf"
)

// Without it a program that reads /readyz could meet parts and states that are documented nowhere, or wait for some that
// never come.
func TestReadyzListsWhatIsDocumented(t *testing.T) {
	keys := &keyFiles{grace: time.Minute}
	s := newStatus(kafkaconf.Settings{}.Explain, slog.New(slog.DiscardHandler))
	m := newMetrics(Build{}, s, keys)
	var got []string
	add := func() {
		for _, missing := range m.missing() {
			got = append(got, missing.Part+" "+missing.State)
			if missing.Since.IsZero() {
				t.Errorf("%+v: since when?", missing)
			}
		}
	}
	for _, state := range states() {
		s.set(state, kafkaconf.Cause{})
		add()
	}
	s.set(stateWriting, kafkaconf.Cause{})
	if now := m.missing(); len(now) > 0 {
		t.Errorf("all is well, and %+v is missing", now)
	}
	for _, ago := range []time.Duration{time.Second, time.Hour} {
		keys.unusableSince.Store(nil)
		keys.fail(errors.New("PUBKEY_FILE: not a key"), time.Now().Add(-ago))
		add()
	}
	slices.Sort(got)
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range regexp.MustCompile("(?m)^\\| producer \\| `(\\w+)` \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		for state := range strings.SplitSeq(row[2], ", ") {
			want = append(want, row[1]+" "+strings.Trim(state, "`"))
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("/readyz lists\n%q\ndocs/operations.md has\n%q", got, want)
	}
}
