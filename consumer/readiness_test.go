package consumer

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/consumer/pagetoken"
	"kafka-e2ee/health"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web/podstatus"
)

// Without it a program that reads /readyz could meet parts and states that are documented nowhere, or wait for some that
// never come.
func TestReadyzListsWhatIsDocumented(t *testing.T) {
	since := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	released, reading := podstatus.Key{State: podstatus.KeyReleased}, podstatus.Kafka{State: podstatus.KafkaReading}
	var all []health.Missing
	for _, state := range podstatus.KeyStates() {
		all = append(all, missing(podstatus.Key{State: state, Since: since}, reading)...)
	}
	for _, state := range podstatus.KafkaStates() {
		all = append(all, missing(released, podstatus.Kafka{State: state, Since: since})...)
	}
	partitions := reading
	partitions.Assignment.Unreadable = []podstatus.Unreadable{{Partitions: []int32{1, 3}, Since: since, Cause: podstatus.KafkaCause{What: "no leader"}}}
	history := reading
	history.History = podstatus.History{Loaded: 1, All: 2, Since: since}
	all = append(append(all, missing(released, partitions)...), missing(released, history)...)
	for _, state := range pagetoken.States() {
		all = append(all, missingAttestation(pagetoken.Status{State: state, Since: since})...)
	}
	var got []string
	for _, m := range all {
		got = append(got, m.Part+" "+m.State)
		if !m.Since.Equal(since) {
			t.Errorf("%+v: since when?", m)
		}
	}
	slices.Sort(got)
	if want := documented(t); !slices.Equal(got, want) {
		t.Errorf("/readyz lists\n%q\ndocs/operations.md has\n%q", got, want)
	}
	if now := missing(released, reading); len(now) > 0 {
		t.Errorf("all is well, and %+v is missing", now)
	}
}

// documented returns the parts and states of the consumer in docs/operations.md.
func documented(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| consumer \\| `(\\w+)` \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		for state := range strings.SplitSeq(row[2], ", ") {
			all = append(all, row[1]+" "+strings.Trim(state, "`"))
		}
	}
	slices.Sort(all)
	return all
}

// Without it the list would say that something is missing, and not why.
func TestReadyzNamesTheCause(t *testing.T) {
	key := podstatus.Key{State: podstatus.KeyRefused, Reason: string(skrclient.CauseNoRole)}
	kafka := podstatus.Kafka{State: podstatus.KafkaReading, History: podstatus.History{Loaded: 1, All: 2}}
	kafka.Assignment.Unreadable = []podstatus.Unreadable{{Partitions: []int32{1, 3}, Cause: podstatus.KafkaCause{What: "no leader"}}}
	var got []string
	for _, m := range missing(key, kafka) {
		got = append(got, m.Detail)
	}
	got = append(got, missing(podstatus.Key{State: podstatus.KeyReleased}, podstatus.Kafka{State: podstatus.KafkaRefused, Cause: podstatus.KafkaCause{What: "no rights"}})[0].Detail)
	if want := []string{skrclient.CauseNoRole.Text(), "partitions 1, 3: no leader", "1 of 2 partitions are loaded", "no rights"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
