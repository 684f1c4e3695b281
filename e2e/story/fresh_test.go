package story_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient/skrtest"
)

// unusual returns the flags of a record that warn: not the one for what was not followed, which is normal after a start.
func unusual(r harness.Record) []string {
	return slices.DeleteFunc(slices.Clone(r.Flags), func(flag string) bool { return flag == "unfollowed" })
}

// requireFresh returns the settings of a consumer that rejects stale records.
func requireFresh(t *testing.T, c harness.Cluster, k harness.Keys, sidecar string) consumer.Config {
	t.Helper()
	cfg := harness.Settings(t, c.ListenAddrs(), sidecar)
	cfg.TrustedSendersFile, cfg.RequireSender, cfg.RequireFresh = k.Trusted, "verified", true
	return cfg
}

// sealerAgo seals with data keys that were first used some time ago, as they were recorded then.
func sealerAgo(t *testing.T, k harness.Keys, ago time.Duration) func(text string, partition int32) []byte {
	t.Helper()
	return harness.NewSealerAt(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic, func() time.Time { return time.Now().Add(-ago) })
}

// caughtUp waits until a consumer has read a tombstone that it writes, so that it knows when later records are appended.
func caughtUp(t *testing.T, c harness.Cluster, p *harness.Pod) {
	t.Helper()
	harness.Write(t, c, 0, nil)
	p.Wait("the tombstone is read", func() bool { return p.Count("tombstone") == 1 })
}

// Without this somebody who has recorded signed messages could have the page show them again a day later: to a pod that
// has seen nothing newer, and to one that gets its key later.
func TestExpiredReplayIsRejected(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"with the key": false, "before the key": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, k := harness.Broker(t, 1), harness.NewKeys(t)
			s, sidecar := harness.Sidecar(t, k.Private)
			if late {
				s.Refuse(skrtest.RefusalPolicy)
			}
			p := harness.Consume(t, requireFresh(t, c, k, sidecar))
			if !late {
				p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
			}
			caughtUp(t, c, p)
			harness.Write(t, c, 0, sealerAgo(t, k, 24*time.Hour)(rejectedText, 0))
			p.Wait("it is read", func() bool { return len(p.Records()) == 2 })
			s.Behave(skrtest.Release)
			p.Wait("it is rejected", func() bool { return p.Count("rejected") == 1 })
			harness.Produce(t, c, k.Public, k.Signing, envelope.FormatEnvelope, "good", 1)
			records := p.WaitStates(map[string]int{"decrypted": 1, "rejected": 1, "tombstone": 1})
			if r := records[1]; r.RejectReason != "stale" || r.Value != "" || r.Wire != "" || !strings.Contains(r.Reason, "REQUIRE_FRESH") || r.Sender.State != "verified" {
				t.Errorf("got %+v", r)
			}
			if len(unusual(records[2])) > 0 {
				t.Errorf("the good one: %+v", records[2])
			}
			showsNowhere(t, p, records)
			if metrics := string(p.Get(p.Metrics + "/metrics")); !strings.Contains(metrics, `e2ee_consumer_rejected_records_total{reason="stale",topic="`+harness.Topic+`"} 1`+"\n") {
				t.Error("the metrics do not count it")
			}
		})
	}
}

// Without this a pod that was down for days would reject what was sent to it, or flag it.
func TestLateBacklogIsNotStale(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	for days := 7; days >= 0; days-- {
		seal := sealerAgo(t, k, time.Duration(days)*24*time.Hour)
		harness.Write(t, c, 0, seal("one", 0), seal("two", 0))
	}
	p := harness.Consume(t, requireFresh(t, c, k, k.Sidecar))
	for _, r := range p.WaitStates(map[string]int{"decrypted": 16}) {
		if len(r.Flags) > 0 {
			t.Errorf("got %+v", r)
		}
	}
}

// Without this a restart would let everybody show all messages once more: those whose data key is still in use as repeats
// at least, those of older ones not at all.
func TestReplayAfterARestart(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	yesterday, now := sealerAgo(t, k, 24*time.Hour), sealerAgo(t, k, time.Minute)
	old, used, next := yesterday(rejectedText, 0), now("used", 0), now("next", 0)
	harness.Write(t, c, 0, old, used)
	p := harness.Consume(t, requireFresh(t, c, k, k.Sidecar))
	p.WaitStates(map[string]int{"decrypted": 2})
	p.Wait("the offsets are committed", func() bool { return harness.Committed(t, c)[0] == 2 })
	p.Stop()
	harness.Write(t, c, 0, used, old) // while nobody reads
	p = harness.Consume(t, requireFresh(t, c, k, k.Sidecar))
	p.Wait("all is read", func() bool { return len(p.Records()) == 4 })
	caughtUp(t, c, p)
	harness.Write(t, c, 0, used, old, next)
	p.WaitStates(map[string]int{"decrypted": 5, "rejected": 2, "tombstone": 1})
	want := "0/0 wheedle \n0/1 used \n0/2 used repeat\n0/3 rejected stale,repeat\n0/4 tombstone \n0/5 used repeat\n0/6 rejected stale,repeat\n0/7 next "
	p.Wait("all are flagged as\n"+want, func() bool { return shownText(p.Records()) == want })
}

// Without this a Kafka operator could delete the topic, create it again, and have all messages shown once more.
func TestReplayIntoARecreatedTopic(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	seal := sealerAgo(t, k, time.Minute)
	values := [][]byte{seal("a", 0), seal("b", 0), seal("c", 0), seal("d", 0)}
	p := harness.Consume(t, requireFresh(t, c, k, k.Sidecar))
	harness.Write(t, c, 0, values[:3]...)
	p.WaitStates(map[string]int{"decrypted": 3})
	harness.DeleteTopic(t, c)
	harness.CreateTopic(t, c, 1)
	harness.Write(t, c, 0, values[3], values[1], values[0])
	want := "0/0 d \n0/1 b repeat\n0/2 a repeat"
	p.Wait("the page shows\n"+want, func() bool { return shownText(p.Records()) == want })
}

// Without this a viewer would take what this page shows for all that there is, while another member of the group reads
// half of it.
func TestOtherMemberTakesAPartition(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 2), harness.NewKeys(t)
	seal := harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	write := func(n int) {
		for i := range 2 * n {
			harness.Write(t, c, int32(i%2), seal("hello", int32(i%2)))
		}
	}
	settings := func() consumer.Config {
		cfg := requireFresh(t, c, k, k.Sidecar)
		cfg.WebHistory = 6
		return cfg
	}
	p := harness.Consume(t, settings())
	p.Wait("both partitions are read", func() bool { return strings.Contains(string(p.Get(p.Page)), "2 of 2") })
	write(10)
	p.Wait("all is read", func() bool { return p.RecordsRead() >= 20 })

	other := harness.Consume(t, settings())
	var taken string
	p.Wait("the page says what the other member reads, and since when", func() bool {
		match := regexp.MustCompile(`another member of the group reads partition (\d) since \d\d:\d\d:\d\d UTC`).FindSubmatch(p.Get(p.Page))
		if match != nil {
			taken = string(match[1])
		}
		return match != nil
	})
	read := p.RecordsRead() + other.RecordsRead()
	write(40)
	other.Wait("both have read all", func() bool { return p.RecordsRead()+other.RecordsRead() >= read+80 })
	other.Stop()
	p.Wait("the page says what it has not seen", func() bool {
		page := string(p.Get(p.Page))
		return strings.Contains(page, "not seen: partition "+taken+", offsets 10 to ") && !strings.Contains(page, "another member of the group reads")
	})
	write(1)
	p.Wait("no record looks missing or stale", func() bool {
		records := p.Records()
		return len(records) == 6 && !slices.ContainsFunc(records, func(r harness.Record) bool { return r.State != "decrypted" || len(unusual(r)) > 0 })
	})
}
