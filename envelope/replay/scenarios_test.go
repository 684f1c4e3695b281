package replay_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// parties are who seals and reads. The keys are real, and time is that of a synctest
// bubble: an hour lasts no time.
type parties struct {
	t       *testing.T
	private *rsa.PrivateKey
	trusted []envelope.TrustedSender
	signing ed25519.PrivateKey
}

var privateKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// inBubble runs a test in a bubble.
func inBubble(t *testing.T, test func(p *parties)) {
	t.Helper()
	private, err := privateKey()
	if err != nil {
		t.Fatal(err)
	}
	public, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		test(&parties{t: t, private: private, signing: signing, trusted: []envelope.TrustedSender{{Name: "alice", Key: public}}})
	})
}

// writer seals messages for a topic of partitions 0 and 1.
type writer struct {
	*envelope.Sealer
	t *testing.T
}

func (p *parties) writer(signing ed25519.PrivateKey) writer {
	p.t.Helper()
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&p.private.PublicKey}, SigningKey: signing,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return writer{sealer, p.t}
}

// alice returns a writer with the trusted signing key.
func (p *parties) alice() writer { return p.writer(p.signing) }

func (w writer) seal(text string) []byte {
	w.t.Helper()
	value, err := w.Seal(nil, []byte(text), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}

// topic is what Kafka holds of one partition.
type topic struct{ values [][]byte }

func (l *topic) append(values ...[]byte) { l.values = append(l.values, values...) }

// strictReader opens what a topic holds, with all requirements, as the consumer does:
// while it is caught up, a fetch waits for the next record.
type strictReader struct {
	p       *parties
	opener  *envelope.Opener
	tracker *replay.Tracker
	ahead   time.Duration // of its clock
	next    int           // offset
	sent    time.Time     // when it sent the fetch that waits, if it has read all
}

func (p *parties) reader(cfg replay.Config, ahead time.Duration) *strictReader {
	p.t.Helper()
	cfg.Require = envelope.Requirements{Formats: []envelope.Format{envelope.FormatEnvelope}, VerifiedSender: true, HeldReaders: true, Fresh: true}
	r := &strictReader{
		p: p, ahead: ahead, tracker: replay.NewTracker(cfg),
		opener: envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: p.trusted, Require: cfg.Require}),
	}
	r.tracker.SetClock(r.now)
	if err := r.opener.SetKeys(p.private); err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (r *strictReader) now() time.Time { return time.Now().Add(r.ahead) }

// read returns what the reader says about each new record.
func (r *strictReader) read(l *topic) (told []string) {
	told = r.readFrom(l, r.next, r.sent)
	r.next, r.sent = len(l.values), r.now()
	return told
}

// wait lets time pass. The reader stays caught up: it sends a fetch each second.
func (r *strictReader) wait(d time.Duration, l *topic) {
	r.p.t.Helper()
	time.Sleep(d - time.Second)
	if told := r.read(l); len(told) > 0 {
		r.p.t.Fatalf("unread records: %s", told)
	}
	time.Sleep(time.Second)
}

// readFrom reads the records from an offset on, which were appended after a time if that is known.
func (r *strictReader) readFrom(l *topic, offset int, after time.Time) (told []string) {
	for ; offset < len(l.values); offset++ {
		told = append(told, r.one(l.values[offset], replay.Position{Offset: int64(offset), AppendedAfter: after}))
	}
	return told
}

func (r *strictReader) one(value []byte, pos replay.Position) string {
	msg, err := r.opener.Open(nil, "t", value)
	if err != nil {
		return err.Error()
	}
	flags, err := r.tracker.Follow(&msg, pos)
	if err != nil {
		if msg.Plaintext != nil {
			r.p.t.Errorf("a rejected record has a plaintext: %s", msg.Plaintext)
		}
		return err.Error()
	}
	if flags == (replay.Flags{}) {
		return string(msg.Plaintext)
	}
	return fmt.Sprintf("%s (%s)", msg.Plaintext, flags)
}

const rejectedStale = "rejected record: its data key had expired when it arrived"

// Without this, somebody who has Kafka but no signing key could make a reader with all
// requirements take a message twice, late, or without those before it, unnoticed.
func TestAttacksOverTime(t *testing.T) {
	for name, attack := range map[string]func(p *parties, r *strictReader, l *topic) (want []string, got []string){
		"a replay at once": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			a := p.alice()
			one, two := a.seal("one"), a.seal("two")
			l.append(one, two, one)
			return []string{"one", "two", "one (repeat of offset 0)"}, r.read(l)
		},
		"a replay after 600 throw-away data keys": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			one := p.alice().seal("one")
			l.append(one)
			got := r.read(l)
			for range 600 {
				l.append(p.writer(nil).seal("thrown away"))
			}
			for _, told := range r.read(l) {
				if !strings.HasPrefix(told, "rejected record: ") {
					return []string{"rejected"}, []string{told}
				}
			}
			l.append(one)
			return []string{"one", "one (repeat of offset 0)"}, append(got, r.read(l)...)
		},
		"a replay of a day later": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			one := p.alice().seal("one")
			l.append(one)
			got := r.read(l)
			r.wait(24*time.Hour, l)
			l.append(one)
			return []string{"one", rejectedStale}, append(got, r.read(l)...)
		},
		"a replay to a reader that was restarted": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			a := p.alice()
			zero, one := a.seal("zero"), a.seal("one")
			l.append(zero, one)
			got := r.read(l)
			again := p.reader(replay.Config{}, 0)
			again.next = len(l.values)
			l.append(one) // before exp: it says that it does not know
			got = append(got, again.read(l)...)
			time.Sleep(time.Hour + envelope.Hold + 5*time.Minute)
			again = p.reader(replay.Config{}, 0)
			again.next = len(l.values)
			again.wait(2*time.Second, l)
			l.append(zero, one)
			return []string{"zero", "one", "one (not followed before)", rejectedStale, rejectedStale}, append(got, again.read(l)...)
		},
		"what remains: a complete replay right after a restart": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			a := p.alice()
			l.append(a.seal("zero"), a.seal("one"))
			got := r.read(l)
			again := p.reader(replay.Config{}, 0)
			again.next = len(l.values)
			l.append(l.values...)
			return []string{"zero", "one", "zero", "one"}, append(got, again.read(l)...)
		},
		"what remains: a backlog of nothing but replays, to a reader that starts": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			l.append(p.alice().seal("last year"))
			time.Sleep(365 * 24 * time.Hour)
			return []string{"last year"}, r.read(l)
		},
		"a replay in a recreated topic": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			a := p.alice()
			zero, one, two := a.seal("zero"), a.seal("one"), a.seal("two")
			l.append(zero, one)
			got := r.read(l)
			r.tracker.TopicRecreated()
			again := &topic{}
			again.append(one, two, zero)
			r.next, r.sent = 0, time.Time{}
			return []string{"zero", "one", "one (repeat)", "two", "zero (repeat)"}, append(got, r.read(again)...)
		},
		"a replay of a year of genuine data keys": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			year := &topic{}
			const keys = 73
			for range keys {
				year.append(p.alice().seal("genuine"))
				time.Sleep(5 * 24 * time.Hour)
			}
			r.wait(time.Second, l) // it has just started, and is caught up
			l.append(year.values...)
			got := r.read(l)
			newest := p.reader(replay.Config{}, 0) // or it has seen one that is newer, and reads a backlog
			l.values = nil
			l.append(p.alice().seal("newest"))
			l.append(year.values...)
			want := slices.Repeat([]string{rejectedStale}, keys)
			return slices.Concat(want, []string{"newest"}, want), append(got, newest.read(l)...)
		},
		"the first records are withheld": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			l.append(p.alice().seal("before"))
			got := r.read(l)
			time.Sleep(10 * time.Minute)
			a := p.alice()
			a.seal("withheld")
			a.seal("withheld")
			l.append(a.seal("third"))
			return []string{"before", "third (2 missing before it)"}, append(got, r.read(l)...)
		},
		"records are held back": func(p *parties, r *strictReader, l *topic) ([]string, []string) {
			a := p.alice()
			l.append(a.seal("in time"))
			got := r.read(l)
			held := a.seal("held back")
			r.wait(2*time.Hour, l)
			l.append(held)
			return []string{"in time", rejectedStale}, append(got, r.read(l)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *parties) {
				l := &topic{}
				want, got := attack(p, p.reader(replay.Config{}, 0), l)
				expect(t, got, want...)
			})
		})
	}
}

// Without this, honest records would be rejected, or flagged, until nobody minds the flags.
func TestHonestSendersOverTime(t *testing.T) {
	const week = 7 * 24 * time.Hour
	type setting struct {
		cfg   replay.Config
		ahead time.Duration // of the reader's clock
	}
	for name, c := range map[string]struct {
		setting
		run func(p *parties, r *strictReader, l *topic) []string
	}{
		"two producers with one signing key": {run: func(p *parties, r *strictReader, l *topic) (told []string) {
			a := p.alice()
			time.Sleep(40 * time.Minute) // they change their data keys at other times
			return workFor(3*time.Hour, r, l, a, p.alice())
		}},
		"a sender's clock 4 minutes fast": {setting{ahead: -4 * time.Minute}, func(p *parties, r *strictReader, l *topic) []string {
			return workFor(3*time.Hour, r, l, p.alice())
		}},
		"a sender's clock 4 minutes slow": {setting{ahead: 4 * time.Minute}, func(p *parties, r *strictReader, l *topic) []string {
			return workFor(3*time.Hour, r, l, p.alice())
		}},
		"a broker outage of two hours": {run: func(p *parties, r *strictReader, l *topic) []string {
			a := p.alice()
			told := workFor(50*time.Minute, r, l, a)
			a.seal("not acknowledged by exp")
			time.Sleep(2 * time.Hour)
			l.append(a.seal("sealed again"))
			return append(told, workFor(3*time.Hour, r, l, a)...)
		}},
		"a broker that takes a record as late as the hold allows": {run: func(p *parties, r *strictReader, l *topic) []string {
			a := p.alice()
			l.append(a.seal("first"))
			told := r.read(l)
			time.Sleep(time.Hour - time.Second)
			last := a.seal("last of its data key")
			time.Sleep(envelope.Hold)
			l.append(last)
			told = append(told, r.read(l)...)
			return append(told, workFor(2*time.Hour, r, l, a)...)
		}},
		"the sender's laptop asleep for a day": {run: func(p *parties, r *strictReader, l *topic) []string {
			a := p.alice()
			told := workFor(10*time.Minute, r, l, a)
			time.Sleep(24 * time.Hour)
			return append(told, workFor(2*time.Hour, r, l, a)...)
		}},
		"the reader's laptop asleep for a day": {run: func(p *parties, r *strictReader, l *topic) []string {
			a := p.alice()
			told := workFor(10*time.Minute, r, l, a)
			unread(24*time.Hour, l, a)
			return append(told, workFor(2*time.Hour, r, l, a)...)
		}},
		"a backlog of a week": {run: func(p *parties, r *strictReader, l *topic) []string {
			a := p.alice()
			unread(week, l, a)
			return append(r.read(l), workFor(2*time.Hour, r, l, a)...)
		}},
		"history loaded after live records": {run: func(p *parties, r *strictReader, l *topic) []string {
			a := p.alice()
			unread(week, l, a)
			r.next = len(l.values)
			told := workFor(time.Minute, r, l, p.alice())
			r.tracker.Rewind(0, 0)
			return append(told, r.readFrom(l, 0, time.Time{})...)
		}},
		"a mirror a day behind": {setting{cfg: replay.Config{Mirror: true}}, func(p *parties, r *strictReader, l *topic) (told []string) {
			original, a := &topic{}, p.alice()
			unread(24*time.Hour, original, a)
			for i := range 48 { // it copies as fast as alice writes
				l.append(original.values[30*i : 30*i+30]...)
				told = append(told, r.read(l)...)
				unread(30*time.Minute, original, a)
			}
			return told
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *parties) {
				told := c.run(p, p.reader(c.cfg, c.ahead), &topic{})
				for i, told := range told {
					if strings.ContainsAny(told, ":(") { // not a message alone
						t.Errorf("record %d: %s", i, told)
					}
				}
				if len(told) < 60 {
					t.Errorf("only %d records", len(told))
				}
			})
		})
	}
}

// workFor lets each writer write once a minute, and returns what the reader says.
func workFor(d time.Duration, r *strictReader, l *topic, writers ...writer) (told []string) {
	for range d / time.Minute {
		for _, w := range writers {
			l.append(w.seal("message"))
		}
		told = append(told, r.read(l)...)
		time.Sleep(time.Minute)
	}
	return told
}

// unread lets a writer write once a minute while nobody reads.
func unread(d time.Duration, l *topic, w writer) {
	for range d / time.Minute {
		l.append(w.seal("message"))
		time.Sleep(time.Minute)
	}
}
