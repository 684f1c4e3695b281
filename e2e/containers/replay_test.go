package containers_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// Without this replays would be noticed only on the embedded broker, whose answers to fetches, restarts and recreated
// topics may differ from Kafka's. The other attacks are tests of package story.
func TestReplaysOnKafka(t *testing.T) {
	t.Parallel()
	c, k := realkafka.Start(t, 1), harness.NewKeys(t)
	trusted, err := os.ReadFile(k.Trusted)
	if err != nil {
		t.Fatal(err)
	}
	start := func() *harness.Pod {
		p, _ := harness.StartConsumer(t, c, k.Sidecar, "TRUSTED_SENDERS="+string(trusted),
			"REQUIRE_FORMAT=envelope,jwe", "REQUIRE_SENDER=verified", "ALLOWED_READERS=held", "REQUIRE_FRESH=true")
		return p
	}
	p := start()
	shows := func(want ...string) {
		t.Helper()
		p.Wait(fmt.Sprintf("the page shows %q", want), func() bool {
			var got []string
			for _, r := range p.Records() {
				got = append(got, strings.TrimSpace(r.Value+r.RejectReason+" "+strings.Join(r.Flags, " ")))
			}
			return slices.Equal(got, want)
		})
	}
	expired := harness.SealedAt(t, k, 0, "expired", time.Now().Add(-3*time.Hour))[0]
	seal := harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	one, two := seal("one", 0), seal("two", 0)
	harness.Write(t, c, 0, one)
	shows("one")
	harness.Write(t, c, 0, expired, two, one)
	want := []string{"one", "stale stale", "two", "one repeat"}
	shows(want...)

	p.Stop()
	p = start()
	harness.Write(t, c, 0, two)
	want = append(want, "two repeat")
	shows(want...)

	harness.DeleteTopic(t, c)
	harness.CreateTopic(t, c, 1)
	harness.Write(t, c, 0, two, seal("three", 0))
	p.Wait("the new topic is read", func() bool { return slices.Contains(harness.Values(p.Records()), "three") })
	if r := p.Records(); r[len(r)-2].Value != "two" || !slices.Contains(r[len(r)-2].Flags, "repeat") {
		t.Errorf("the replay in the recreated topic: %+v", r[len(r)-2])
	}
}
