package story_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// honest fails if the page flags or rejects a record, or does not show so many.
func (v *victim) honest(count int) {
	v.t.Helper()
	v.Wait(fmt.Sprint(count, " records are shown"), func() bool { return len(told(v.Records())) >= count })
	v.Wait("the history is loaded, and no record is flagged", func() bool {
		return len(v.Records()) > 0 && !slices.ContainsFunc(v.Records(), func(r harness.Record) bool { return r.State != "decrypted" || len(r.Flags) > 0 })
	})
}

// Without this honest records would be rejected, or be flagged until nobody minds the flags.
func TestStrictConsumerAndHonestSenders(t *testing.T) {
	t.Parallel()
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	hourly := func(t *testing.T, k harness.Keys) [][]byte {
		return harness.SealedAt(t, k, 0, "message of the week", harness.Every(time.Hour, 7*24, week)...)
	}
	k := harness.KeysOf(t, harness.NewKeyOf(t, 2048)) // each data key is unwrapped
	for name, run := range map[string]func(t *testing.T){
		"two producers with one signing key": func(t *testing.T) {
			v := startVictim(t, k)
			var producers sync.WaitGroup
			for range 2 {
				producers.Go(func() { harness.Produce(t, v.c, k.Public, k.Signing, envelope.FormatEnvelope, "hello", 50) })
			}
			producers.Wait()
			v.honest(100)
		},
		"one sender's clock 4 minutes fast": func(t *testing.T) {
			v := startVictim(t, k)
			fast := harness.SealedAt(t, k, 0, "fast", harness.Every(time.Millisecond, 3, -4*time.Minute)...)
			v.write(fast[0], v.seal("right", 0), fast[1], v.seal("right", 0), fast[2])
			v.honest(5)
		},
		"one sender's clock 4 minutes slow, with the last record of its data key": func(t *testing.T) {
			v := startVictim(t, k)
			last := envelope.Hold + time.Hour + 4*time.Minute
			v.write(v.seal("right", 0))
			v.write(harness.SealedAt(t, k, 0, "slow", time.Now().Add(-last))...)
			v.honest(2)
		},
		"a sender that slept for a day": func(t *testing.T) {
			awake := harness.SealedAt(t, k, 0, "awake", append(harness.Every(time.Minute, 10, day), harness.Every(time.Millisecond, 10, time.Second)...)...)
			v := startVictim(t, k, awake[:10]...)
			v.write(awake[10:]...)
			v.honest(20)
		},
		"a backlog of a week": func(t *testing.T) {
			startVictim(t, k, hourly(t, k)...).honest(7 * 24)
		},
		"history loaded after live records": func(t *testing.T) {
			v := startVictim(t, k, hourly(t, k)...)
			v.honest(7 * 24)
			v.Stop()
			v.start(func(cfg *consumer.Config) { cfg.WebHistory = 150 }) // part of it: it begins within the topic
			v.write(v.seal("live", 0))
			v.Wait("the live record and the history are shown", func() bool { return len(v.Records()) == 150 })
			v.honest(100)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t)
		})
	}
}
