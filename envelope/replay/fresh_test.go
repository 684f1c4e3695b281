package replay_test

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// noon is when most of these tests begin.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// signedKey is a data key of a verified sender, alice if not named. It is first used at
// noon, and expires an hour and a quarter later.
type signedKey struct {
	name   string
	sender string
	after  time.Duration // noon, when it is first used
}

func (k signedKey) record(sealedFor int32, counter uint64) *envelope.Message {
	issued := noon.Add(k.after)
	return &envelope.Message{
		Format: envelope.FormatEnvelope, DataKey: k.name, Partition: sealedFor, Counter: counter, Counted: true, Bound: true,
		Sender:   envelope.Sender{State: envelope.SenderVerified, Name: cmp.Or(k.sender, "alice")},
		IssuedAt: issued, Expires: issued.Add(time.Hour + envelope.Hold), Plaintext: []byte("hello"),
	}
}

// reader is a tracker with a clock.
type reader struct {
	*replay.Tracker
	now time.Time
}

func newReader(cfg replay.Config, now time.Time) *reader {
	r := &reader{Tracker: replay.NewTracker(cfg), now: now}
	r.SetClock(func() time.Time { return r.now })
	return r
}

// read follows a record in partition 0, for which it was sealed.
func (r *reader) read(k signedKey, counter uint64, offset int64) string {
	return mustFollow(r.Tracker, k.record(0, counter), replay.Position{Offset: offset}).String()
}

// readLive is read for a record that was appended after the reader's time.
func (r *reader) readLive(k signedKey, counter uint64, offset int64) string {
	return mustFollow(r.Tracker, k.record(0, counter), replay.Position{Offset: offset, AppendedAfter: r.now}).String()
}

// expect reports flags other than those wanted, one for each record.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "; "), strings.Join(want, "; "); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

const (
	none       = "none"
	stale      = "stale"
	unfollowed = "not followed before"
)

// Without this, a record that was held back for a day would look new as soon as it
// arrives, even to a reader who has seen newer ones.
func TestStaleBehindANewerDataKey(t *testing.T) {
	day := newReader(replay.Config{}, noon.Add(25*time.Hour))
	old, now := signedKey{name: "old"}, signedKey{name: "now", after: 24 * time.Hour}
	expect(t, []string{
		day.read(old, 0, 10), day.read(old, 1, 11), day.read(now, 0, 12),
		day.read(old, 2, 13), // held back
		day.read(old, 1, 14), // written again
		day.read(signedKey{name: "older", after: -time.Hour}, 0, 15), // of a data key never seen
		day.read(signedKey{name: "old", sender: "bob"}, 3, 16),       // bob's clock says nothing yet
	}, none, none, none, "stale", "stale, repeat of offset 11", stale, none)
}

// Without this, the limit could drift, and honest records would be rejected.
func TestStaleByMoreThanFiveMinutes(t *testing.T) {
	lifetime := time.Hour + envelope.Hold
	for after, want := range map[time.Duration]string{
		lifetime + 5*time.Minute:               none,
		lifetime + 5*time.Minute + time.Second: stale,
	} {
		r := newReader(replay.Config{}, noon.Add(24*time.Hour))
		old := signedKey{name: "old"}
		expect(t, []string{r.read(signedKey{name: "new", after: after}, 0, 1), r.read(old, 0, 2)}, none, want)

		r = newReader(replay.Config{}, noon.Add(after))
		expect(t, []string{r.readLive(old, 0, 2)}, want)
	}
}

// Without this, a replay would look new to a reader who has just started, and so has
// seen nothing newer.
func TestStaleByTheTimeOfReading(t *testing.T) {
	r := newReader(replay.Config{}, noon.Add(2*time.Hour))
	old := signedKey{name: "old"}
	unsigned := old.record(0, 2)
	unsigned.DataKey, unsigned.Sender = "unsigned", envelope.Sender{State: envelope.SenderUnverified}
	expect(t, []string{
		r.readLive(old, 0, 10), // appended after it expired
		r.read(old, 1, 11),     // read late: nothing is known about its arrival
		mustFollow(r.Tracker, unsigned, replay.Position{Offset: 12, AppendedAfter: r.now}).String(),
		r.readLive(signedKey{name: "now", after: 2 * time.Hour}, 0, 13),
	}, stale, unfollowed, stale, none)
}

// Without this, honest records would be flagged, and rejected if fresh ones are required.
func TestFreshRecords(t *testing.T) {
	week := 7 * 24 * time.Hour
	for name, test := range map[string]func(r *reader) []string{
		"two producers with one signing key": func(r *reader) (flags []string) {
			a, b := signedKey{name: "a"}, signedKey{name: "b", after: 55 * time.Minute}
			r.now = noon.Add(-10 * time.Minute)
			flags = append(flags, r.read(a, 0, 0))
			r.now = noon.Add(59 * time.Minute)
			return append(flags, r.readLive(b, 0, 1), r.readLive(a, 1, 2), r.readLive(b, 1, 3))
		},
		"a sender's clock 4 minutes fast": func(r *reader) (flags []string) {
			fast, right := signedKey{name: "fast", after: 4 * time.Minute}, signedKey{name: "right"}
			flags = append(flags, r.readLive(fast, 0, 0), r.readLive(right, 0, 1))
			r.now = noon.Add(time.Hour + envelope.Hold) // the last records of right may arrive now
			next := signedKey{name: "next", after: time.Hour + envelope.Hold + 4*time.Minute}
			return append(flags, r.readLive(next, 0, 2), r.readLive(right, 1, 3))
		},
		"a sender's clock 4 minutes fast, read from the middle": func(r *reader) []string {
			// Its data key was used before the reader came, though its time says after.
			return []string{strings.ReplaceAll(r.read(signedKey{name: "fast", after: 4 * time.Minute}, 7, 70), unfollowed, none)}
		},
		"a backlog of a week": func(r *reader) (flags []string) {
			r.now = noon.Add(week)
			for hour := range 7 * 24 {
				k := signedKey{name: fmt.Sprint(hour), after: time.Duration(hour) * time.Hour}
				flags = append(flags, r.read(k, 0, int64(2*hour)), r.read(k, 1, int64(2*hour)+1))
			}
			return append(flags, r.readLive(signedKey{name: "now", after: week}, 0, 1000))
		},
		"history loaded after live records": func(r *reader) (flags []string) {
			r.now = noon.Add(week)
			flags = append(flags, r.readLive(signedKey{name: "live", after: week}, 0, 1000))
			for day := range 7 {
				k := signedKey{name: fmt.Sprint(day), after: time.Duration(day) * 24 * time.Hour}
				flags = append(flags, r.read(k, 0, int64(2*day)), r.read(k, 1, int64(2*day)+1))
			}
			return append(flags, r.readLive(signedKey{name: "live", after: week}, 1, 1001))
		},
		"a broker outage of two hours": func(r *reader) (flags []string) {
			before, after := signedKey{name: "before"}, signedKey{name: "after", after: 2 * time.Hour}
			flags = append(flags, r.readLive(before, 0, 0), r.readLive(before, 1, 1))
			r.now = noon.Add(2 * time.Hour) // what was not acknowledged is sealed again
			return append(flags, r.readLive(after, 0, 2), r.readLive(after, 1, 3))
		},
		"the sender's laptop asleep for a day": func(r *reader) (flags []string) {
			flags = append(flags, r.readLive(signedKey{name: "evening"}, 0, 0))
			r.now = noon.Add(24 * time.Hour)
			return append(flags, r.readLive(signedKey{name: "morning", after: 24 * time.Hour}, 0, 1))
		},
		"the reader's laptop asleep for a day": func(r *reader) (flags []string) {
			evening, morning := signedKey{name: "evening"}, signedKey{name: "morning", after: 24 * time.Hour}
			flags = append(flags, r.readLive(evening, 0, 0))
			sent := r.now // a fetch, before it fell asleep
			r.now = noon.Add(25 * time.Hour)
			for i, record := range []*envelope.Message{evening.record(0, 1), morning.record(0, 0)} {
				flags = append(flags, mustFollow(r.Tracker, record, replay.Position{Offset: int64(1 + i), AppendedAfter: sent}).String())
			}
			return append(flags, r.readLive(morning, 1, 3))
		},
		"a late key": func(r *reader) (flags []string) {
			k, pos := signedKey{name: "k"}, replay.Position{Offset: 5, AppendedAfter: r.now}
			r.now = noon.Add(week) // the key comes; the record keeps the time of its reading
			return append(flags, mustFollow(r.Tracker, k.record(0, 0), pos).String())
		},
	} {
		r := newReader(replay.Config{}, noon)
		for i, flags := range test(r) {
			if flags != none {
				t.Errorf("%s: record %d: %s", name, i, flags)
			}
		}
	}
}

// Without this, a stale record in the history would pass because newer ones were followed first.
func TestStaleInTheHistory(t *testing.T) {
	r := newReader(replay.Config{}, noon.Add(100*time.Hour))
	key := func(hour int) signedKey {
		return signedKey{name: fmt.Sprint(hour), after: time.Duration(hour) * time.Hour}
	}
	expect(t, []string{r.read(key(100), 0, 1000), r.read(key(50), 0, 500), r.read(key(40), 0, 501), r.read(key(40), 0, 499)},
		none, none, stale, none)
	for hour := range 100 { // more than are remembered
		if got := r.read(key(hour), uint64(hour), int64(hour)); strings.Contains(got, stale) {
			t.Errorf("hour %d, in order: %s", hour, got)
		}
	}
	for hour := 10; hour < 100; hour++ {
		if got := r.read(signedKey{name: fmt.Sprint("replay ", hour), after: time.Duration(hour-10) * time.Hour}, 0, int64(hour)+1); got != stale {
			t.Errorf("hour %d, replay: %s", hour, got)
		}
	}
}

// Without this, one sender's wrong clock would make all of its later records stale.
func TestClockOfTheFutureIsIgnored(t *testing.T) {
	r := newReader(replay.Config{}, noon)
	expect(t, []string{
		r.read(signedKey{name: "2099", after: 73 * 365 * 24 * time.Hour}, 0, 1),
		r.read(signedKey{name: "in 6 minutes", after: 5*time.Minute + time.Second}, 0, 2),
		r.read(signedKey{name: "before", after: -70*time.Minute - time.Second}, 0, 3),
		r.read(signedKey{name: "in 5 minutes", after: 5 * time.Minute}, 0, 4),
		r.read(signedKey{name: "then", after: -75*time.Minute - time.Second}, 0, 5),
	}, none, none, none, none, stale)
}

// Without this, somebody without a trusted key could make a sender's records stale.
func TestOnlyVerifiedUnmovedRecordsDate(t *testing.T) {
	r := newReader(replay.Config{}, noon.Add(48*time.Hour))
	now := signedKey{name: "now", after: 48 * time.Hour}
	unverified := now.record(0, 0)
	unverified.Sender = envelope.Sender{State: envelope.SenderUntrusted, KeyID: "alice"}
	mustFollow(r.Tracker, unverified, replay.Position{Offset: 1})
	mustFollow(r.Tracker, now.record(1, 0), replay.Position{Offset: 2}) // moved
	expect(t, []string{r.read(signedKey{name: "old"}, 0, 3), r.read(now, 1, 4)}, none, none)
	if got := mustFollow(r.Tracker, signedKey{name: "old"}.record(1, 9), replay.Position{Offset: 5}).String(); got != "stale, moved from partition 1" {
		t.Errorf("moved to behind a newer one: %s", got)
	}
}

// Without this, a reader who requires fresh records would get the plaintext of stale ones.
func TestFreshIsRequired(t *testing.T) {
	r := newReader(replay.Config{Require: envelope.Requirements{VerifiedSender: true, Fresh: true}}, noon.Add(48*time.Hour))
	follow := func(msg *envelope.Message, offset int64) error {
		plaintext := msg.Plaintext
		flags, err := r.Follow(msg, replay.Position{Offset: offset})
		if err != nil && (msg.Plaintext != nil || string(plaintext) != "\x00\x00\x00\x00\x00") {
			t.Errorf("offset %d: rejected, but the plaintext is %q, its memory %q", offset, msg.Plaintext, plaintext)
		}
		if err == nil && string(msg.Plaintext) != "hello" {
			t.Errorf("offset %d: the plaintext is lost", offset)
		}
		if rejected, ok := errors.AsType[*envelope.RejectedError](err); ok && flags.Stale != (rejected.Reason == envelope.RejectStale) {
			t.Errorf("offset %d: %v with flags %v", offset, err, flags)
		}
		return err
	}
	unsigned := signedKey{name: "unsigned"}.record(0, 0)
	unsigned.Sender = envelope.Sender{State: envelope.SenderUnverified, Reason: envelope.ReasonUnsigned}
	for offset, c := range []struct {
		msg  *envelope.Message
		want envelope.RejectReason
	}{
		{signedKey{name: "old"}.record(0, 0), ""},
		{signedKey{name: "new", after: 48 * time.Hour}.record(0, 0), ""},
		{signedKey{name: "old"}.record(0, 0), envelope.RejectStale},
		{unsigned, envelope.RejectSender},
		{&envelope.Message{Format: envelope.FormatRSA, Plaintext: []byte("hello")}, envelope.RejectSender},
	} {
		err := follow(c.msg, int64(offset))
		var reason envelope.RejectReason
		if rejected, ok := errors.AsType[*envelope.RejectedError](err); ok && errors.Is(err, envelope.ErrRejected) {
			reason = rejected.Reason
		}
		if reason != c.want {
			t.Errorf("record %d: got %q (%v), want %q", offset, reason, err, c.want)
		}
	}
}
