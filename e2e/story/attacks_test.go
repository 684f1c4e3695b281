package story_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient/skrtest"
)

// strict returns the settings of a consumer that rejects all it can.
func strict(t *testing.T, c harness.Cluster, k harness.Keys) consumer.Config {
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile = k.Trusted
	cfg.RequireFormat, cfg.RequireSender, cfg.AllowedReaders, cfg.RequireFresh = "envelope,jwe", "verified", "held", true
	return cfg
}

// victim is a strict consumer of two partitions, and what somebody has who attacks it: the topic, the public key, records that were in the
// topic at any time, and no signing key.
type victim struct {
	*harness.Pod
	t    *testing.T
	c    *kfake.Cluster
	k    harness.Keys
	seal func(text string, partition int32) []byte // the genuine sender's
	bob  string                                    // the signing key of another trusted sender
}

// startVictim starts a strict consumer after some records were written to partition 0.
func startVictim(t *testing.T, k harness.Keys, before ...[]byte) *victim {
	t.Helper()
	v := &victim{t: t, c: harness.Broker(t, 2), k: k}
	bob, trusted := harness.NewSender(t, "bob")
	v.bob, v.k.Trusted = bob, bothFiles(t, k.Trusted, trusted)
	v.seal = harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	if len(before) > 0 {
		harness.Write(t, v.c, 0, before...)
	}
	v.start()
	return v
}

// bothFiles returns a file with the content of two.
func bothFiles(t *testing.T, a, b string) string {
	t.Helper()
	both := filepath.Join(t.TempDir(), "both")
	var text []byte
	for _, file := range []string{a, b} {
		one, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, one...)
	}
	if err := os.WriteFile(both, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return both
}

const ready = "ready"

// start starts the consumer, again if it was stopped, and waits until it shows a record of bob. So it is caught up:
// the fetch that gave it this record says when, at the earliest, the next record was appended.
func (v *victim) start(change ...func(*consumer.Config)) {
	v.t.Helper()
	cfg := strict(v.t, v.c, v.k)
	for _, change := range change {
		change(&cfg)
	}
	v.Pod = harness.Consume(v.t, cfg)
	v.ready()
}

func (v *victim) ready() {
	v.t.Helper()
	offset := len(harness.Stored(v.t, v.c)[0])
	v.write(harness.NewSealer(v.t, v.k.Private, v.bob, envelope.FormatEnvelope, harness.Topic)(ready, 0))
	v.Wait("the consumer is ready", func() bool {
		return slices.ContainsFunc(v.Records(), func(r harness.Record) bool { return r.Partition == 0 && r.Offset == int64(offset) })
	})
}

// write writes to partition 0.
func (v *victim) write(values ...[]byte) { harness.Write(v.t, v.c, 0, values...) }

// told returns what the page says about each record of others than bob: its text and flags, or why it is rejected.
func told(records []harness.Record) (lines []string) {
	for _, r := range records {
		what, flags := r.Value, r.Flags
		switch {
		case r.State == "rejected":
			what = "rejected: " + r.RejectReason
			flags = slices.DeleteFunc(flags, func(flag string) bool { return flag == r.RejectReason })
		case r.State != "decrypted":
			what = r.State
		case r.Value == ready && len(r.Flags) == 0:
			continue
		}
		if len(flags) > 0 {
			what += ", " + strings.Join(flags, ", ")
		}
		lines = append(lines, what)
	}
	return lines
}

// shows waits until the page says this about the records.
func (v *victim) shows(want ...string) {
	v.t.Helper()
	got := told(v.Records())
	for end := time.Now().Add(harness.Timeout); !slices.Equal(got, want) && time.Now().Before(end); got = told(v.Records()) {
		time.Sleep(20 * time.Millisecond)
	}
	if !slices.Equal(got, want) {
		v.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Without this whoever may write to the topic could make a message appear twice.
func TestReplayAtOnce(t *testing.T) {
	t.Parallel()
	v := startVictim(t, harness.NewKeys(t))
	one, two := v.seal("one", 0), v.seal("two", 0)
	text, err := envelope.Convert(one) // into the other format; this needs no key
	if err != nil {
		t.Fatal(err)
	}
	v.write(one, two, one, text, lean(one, "one"))
	v.shows("one", "two", "one, repeat", "one, repeat", "one, repeat")
	harness.Write(t, v.c, 1, two)
	v.shows("one", "two", "one, repeat", "one, repeat", "one, repeat", "two, moved")
}

// lean returns the lean record of a full one with this plaintext (SPEC.md, section 5.1). This needs no key, either.
func lean(full []byte, plaintext string) []byte {
	prefix := full[:len(full)-len(plaintext)-12-16]
	name := sha256.Sum256(prefix)
	return slices.Concat([]byte{0xC1, 0x02}, name[:16], full[len(prefix):])
}

// Without this whoever knows the public key could make the consumer forget what it has seen, with data keys that they
// throw away, and then replay it.
func TestReplayAfterThrowAwayDataKeys(t *testing.T) {
	t.Parallel()
	k := harness.KeysOf(t, harness.NewKeyOf(t, 2048)) // the flagging consumer unwraps each data key
	v := startVictim(t, k)
	cfg := harness.Settings(t, v.c.ListenAddrs(), k.Sidecar)
	cfg.Group, cfg.TrustedSendersFile = "flagging", k.Trusted
	flagging := harness.Consume(t, cfg)
	flagging.Wait("the key is released", func() bool { return flagging.KeyState() == "released" })
	one := v.seal("one", 0)
	v.write(one)
	const count = 600
	thrownAway := make([][]byte, count)
	for i := range thrownAway {
		thrownAway[i] = harness.NewSealer(t, k.Private, "", envelope.FormatEnvelope, harness.Topic)("thrown away", 0)
	}
	v.write(thrownAway...)
	v.write(one)
	for _, p := range []*harness.Pod{v.Pod, flagging} {
		p.Wait("all is read", func() bool { return p.RecordsRead() >= count+3 })
		p.Wait("the replay is flagged", func() bool { return slices.Equal(told([]harness.Record{p.Newest()}), []string{"one, repeat"}) })
	}
	if got := v.Records(); got[len(got)-2].RejectReason != "sender" {
		t.Errorf("a record of a data key that nobody signed: %+v", got[len(got)-2])
	}
}

// Without this a consumer that restarts without its history, because the history is longer than the page holds, would take
// a replay for new.
func TestReplayBehindTheHistory(t *testing.T) {
	t.Parallel()
	k := harness.NewKeys(t)
	old := harness.SealedAt(t, k, 0, rejectedText, time.Now().Add(-3*time.Hour))
	v := startVictim(t, k, old...)
	zero, one := v.seal("zero", 0), v.seal("one", 0)
	v.write(zero, one)
	v.shows(rejectedText, "zero", "one")
	v.ready()
	v.Stop()
	v.start(func(cfg *consumer.Config) { cfg.WebHistory = 1 }) // it holds bob's record only
	v.write(one)
	v.shows("one, unfollowed")
	v.write(old[0])
	v.shows("rejected: stale")
	showsNowhere(t, v.Pod, v.Records())
}

// Without this whoever runs Kafka could hold back the oldest part of the history, so that no replay of the rest is noticed.
func TestReplayWhileTheHistoryIsWithheld(t *testing.T) {
	t.Parallel()
	k := harness.NewKeys(t)
	v := startVictim(t, k, slices.Repeat([][]byte{nil}, 500)...)
	zero := v.seal("zero", 0)
	v.write(zero)
	v.Wait("the record is shown", func() bool { return v.Count("decrypted") == 2 })
	v.Stop()
	var answered atomic.Bool
	v.c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		v.c.KeepControl()
		// The group's requests wait for records; those for the history do not.
		if fetch, ok := request.(*kmsg.FetchRequest); ok && fetch.MaxWaitMillis <= 1 && fetch.Topics[0].Partitions[0].FetchOffset < 400 {
			answered.Store(true)
			return nil, errors.New("the connection breaks"), true
		}
		return nil, nil, false
	})
	v.start()
	v.write(zero)
	v.Wait("the rest of the history is withheld", answered.Load)
	v.Wait("the replay is flagged", func() bool { return slices.Contains(told(v.Records()), "zero, repeat") })
}

// Without this a topic that is created again before the key is there would show its messages twice.
func TestReplayInARecreatedTopicBeforeTheKey(t *testing.T) {
	t.Parallel()
	k := harness.NewKeys(t)
	sidecar, url := harness.Sidecar(t, k.Private)
	sidecar.Refuse(skrtest.RefusalPolicy)
	k.Sidecar = url
	v := startVictim(t, k)
	zero := v.seal("zero", 0)
	v.write(nil, nil, nil, zero)
	v.Wait("all is read", func() bool { return v.RecordsRead() >= 5 })
	harness.DeleteTopic(t, v.c)
	harness.CreateTopic(t, v.c, 2)
	v.write(zero)
	v.Wait("the new topic is read", func() bool { return v.RecordsRead() >= 6 })
	sidecar.Behave(skrtest.Release)
	v.Wait("both are decrypted", func() bool { return v.Count("decrypted") >= 2 })
	v.write(zero)
	v.Wait("the replay is read", func() bool { return v.RecordsRead() >= 7 })
	unflagged := 0
	for _, r := range v.Records() {
		if r.Value == "zero" && len(r.Flags) == 0 {
			unflagged++
		}
	}
	if unflagged > 1 {
		t.Errorf("a message is shown %d times without a flag:\n%s", unflagged, strings.Join(told(v.Records()), "\n"))
	}
}

// Without this everything that a sender has ever signed could be shown again as new, by whoever kept it.
func TestReplayOfAYear(t *testing.T) {
	t.Parallel()
	k := harness.KeysOf(t, harness.NewKeyOf(t, 2048)) // each data key is unwrapped
	year := harness.SealedAt(t, k, 0, rejectedText, harness.Every(5*24*time.Hour, 73, 366*24*time.Hour)...)
	rejected := slices.Repeat([]string{"rejected: stale"}, len(year))
	t.Run("to a consumer that is caught up", func(t *testing.T) {
		v := startVictim(t, k)
		v.write(year...)
		v.shows(rejected...)
		showsNowhere(t, v.Pod, v.Records())
	})
	t.Run("in a backlog", func(t *testing.T) {
		v := startVictim(t, k)
		v.write(v.seal("newest", 0))
		v.shows("newest")
		v.Stop()
		v.write(year...)
		v.start()
		v.shows(append([]string{"newest"}, rejected...)...)
		showsNowhere(t, v.Pod, v.Records())
	})
}

// Without this the first messages of a sender could be withheld unnoticed, and the next ones shown as if they were the
// first.
func TestWithheldFirstRecords(t *testing.T) {
	t.Parallel()
	v := startVictim(t, harness.NewKeys(t))
	v.seal("withheld", 0)
	v.write(v.seal("second", 0)) // of a data key as old as the consumer: it cannot know whether the first was there before
	// Of a data key that was certainly first used later; here the sender's clock is fast, so that nobody has to wait.
	later := harness.SealedAt(t, v.k, 0, "third", harness.Every(time.Second, 3, -6*time.Minute)...)
	v.write(later[2])
	v.shows("second, unfollowed", "third, gap")
}

// Without this anyone who may write could empty the page, with any records.
func TestJunkLeavesGoodRecordsOnThePage(t *testing.T) {
	t.Parallel()
	v := startVictim(t, harness.NewKeys(t))
	good := v.seal("good", 0)
	altered := slices.Clone(good)
	altered[len(altered)-1] ^= 1
	v.write(good)
	read := 2
	for _, junk := range [][]byte{good, altered, good[:100], []byte("plain text"), nil} {
		for range 3 {
			v.write(slices.Repeat([][]byte{junk}, 400)...)
			read += 400
		}
	}
	v.Wait("all is read", func() bool { return v.RecordsRead() >= read })
	if lines := told(v.Records()); len(lines) == 0 || lines[0] != "good" || len(lines) > 101 {
		t.Errorf("the page shows %d records, the first %.20q", len(lines), lines)
	}
}

// Without this another member of the group, for which access to Kafka is enough, could make records disappear from the
// page, or appear on it twice.
func TestMemberThatTakesPartitionsAway(t *testing.T) {
	t.Parallel()
	v := startVictim(t, harness.NewKeys(t))
	written := []string{ready}
	write := func() {
		for partition := range int32(2) {
			written = append(written, fmt.Sprintf("message %d", len(written)))
			harness.Write(t, v.c, partition, v.seal(written[len(written)-1], partition))
		}
	}
	write()
	v.Wait("all is read", func() bool { return v.RecordsRead() >= len(written) })
	member := harness.Consume(t, harness.Settings(t, v.c.ListenAddrs(), harness.NoSidecar)) // it gets no key
	member.Wait("it takes records away", func() bool { write(); return member.RecordsRead() > 0 })
	member.Stop()
	v.Wait("all is on the page", func() bool { return len(v.Records()) == len(written) })
	got := harness.Values(v.Records())
	slices.Sort(got)
	slices.Sort(written)
	if !slices.Equal(got, written) {
		t.Errorf("got %q, want %q", got, written)
	}
	for _, r := range v.Records() {
		if len(r.Flags) > 0 {
			t.Errorf("an honest record: %s, flags %v", r.Value, r.Flags)
		}
	}
}

// Without this whoever may commit offsets of the group could have records skipped, or shown twice.
func TestMovedOffsets(t *testing.T) {
	t.Parallel()
	v := startVictim(t, harness.NewKeys(t))
	v.write(v.seal("one", 0), v.seal("two", 0))
	v.shows("one", "two")
	v.Stop()
	v.write(v.seal("three", 0), v.seal("four", 0))
	harness.Commit(t, v.c, "", map[int32]int64{0: 5}) // behind the last one
	v.start()
	v.shows("one", "two", "three", "four")
	v.Stop()
	harness.Commit(t, v.c, "", map[int32]int64{0: 1}) // all once more
	v.start()
	v.shows("one", "two", "three", "four")
}
