package reader_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/reader"
)

var key = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func alice() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat("a", ed25519.SeedSize)))
}

func trusted() []envelope.TrustedSender {
	return []envelope.TrustedSender{{Name: "alice", Key: ed25519.PublicKey(alice()[ed25519.SeedSize:])}}
}

// sealer seals lean records for key; only the first of a data key is full.
func sealer(change func(*envelope.SealerConfig)) *envelope.Sealer {
	cfg := envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&key().PublicKey}, SigningKey: alice(),
		Headers: envelope.HeaderPolicy{Records: 1024, Interval: time.Minute},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := envelope.NewSealer(cfg)
	if err != nil {
		panic(err)
	}
	return s
}

// partition seals n messages for partition 0.
func partition(s *envelope.Sealer, n int) [][]byte {
	values := make([][]byte, n)
	for i := range values {
		var err error
		if values[i], err = s.Seal(nil, fmt.Append(nil, "message ", i), 0); err != nil {
			panic(err)
		}
	}
	return values
}

func newReader(t testing.TB, cfg reader.Config) *reader.Reader {
	t.Helper()
	cfg.Topic, cfg.TrustedSenders = "t", trusted()
	r, err := reader.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetKeys(key()); err != nil {
		t.Fatal(err)
	}
	return r
}

// from returns the records of partition 0 with offsets from first to before end.
func from(values [][]byte, first, end int) []reader.Record {
	records := make([]reader.Record, 0, end-first)
	for offset := first; offset < end; offset++ {
		records = append(records, reader.Record{Offset: int64(offset), Value: values[offset]})
	}
	return records
}

// log counts how often it is read.
type log struct {
	values [][]byte
	reads  int
	err    error
}

func (l *log) readBack(_ int32, from, to int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if l.reads++; l.err != nil {
			yield(nil, l.err)
			return
		}
		for _, value := range l.values[from:to] {
			if !yield(value, nil) {
				return
			}
		}
	}
}

func text(msg reader.Message, err error) string {
	return fmt.Sprintf("%s, %s, %v", msg.Plaintext, msg.Flags, err)
}

// Without this, the one call could open what the two packages flag or refuse.
func TestOpen(t *testing.T) {
	values := partition(sealer(nil), 4)
	other := partition(sealer(func(cfg *envelope.SealerConfig) { cfg.Topic = "other" }), 1)[0]
	unsigned := partition(sealer(func(cfg *envelope.SealerConfig) { cfg.SigningKey = nil }), 1)[0]
	r := newReader(t, reader.Config{Require: envelope.Requirements{VerifiedSender: true}})
	for offset, c := range []struct {
		value []byte
		want  string
		err   error
	}{
		{values[0], "message 0, none, <nil>", nil},
		{values[2], "message 2, 1 missing before it, <nil>", nil},
		{values[0], "message 0, repeat of offset 0, <nil>", nil},
		{other, "", envelope.ErrUndecryptable},
		{unsigned, "", envelope.ErrRejected},
		{[]byte("hello"), "", envelope.ErrNotEncrypted},
		{nil, "", envelope.ErrNotEncrypted},
		{values[3], "message 3, none, <nil>", nil},
	} {
		msg, err := r.Open(reader.Record{Offset: int64(offset), Value: c.value})
		if !errors.Is(err, c.err) || c.err == nil && text(msg, err) != c.want || c.err != nil && msg.Plaintext != nil {
			t.Errorf("offset %d: %s, want %s, %v", offset, text(msg, err), c.want, c.err)
		}
	}
}

// Without this, an old record that was written again could be opened by a program that asked for fresh ones.
func TestStaleRecordHasNoPlaintext(t *testing.T) {
	yesterday := time.Now().Add(-24 * time.Hour)
	old := partition(sealer(func(cfg *envelope.SealerConfig) { cfg.Now = func() time.Time { return yesterday } }), 1)
	values := append(partition(sealer(nil), 1), old...)
	results := newReader(t, reader.Config{Require: envelope.Requirements{VerifiedSender: true, Fresh: true}}).OpenBatch(from(values, 0, 2))
	rejected, is := errors.AsType[*envelope.RejectedError](results[1].Err)
	if results[0].Err != nil || !is || rejected.Reason != envelope.RejectStale || results[1].Plaintext != nil || !results[1].Flags.Stale {
		t.Errorf("opened %q, %v, then %q, %v", results[0].Plaintext, results[0].Err, results[1].Plaintext, results[1].Err)
	}
	caughtUp := newReader(t, reader.Config{Require: envelope.Requirements{VerifiedSender: true, Fresh: true}})
	if msg, err := caughtUp.Open(reader.Record{Value: old[0], AppendedAfter: time.Now()}); !errors.Is(err, envelope.ErrRejected) {
		t.Errorf("a record that was appended late: %s", text(msg, err))
	}
}

// Without this, a consumer that starts behind a header could lose records, a broken log could look like a lost header, or a
// program that waits unless the header is lost would wait for ever at the second of such records.
func TestReadBack(t *testing.T) {
	values := partition(sealer(nil), 300)
	for name, c := range map[string]struct {
		log  *log
		errs []error
	}{
		"found":       {&log{values: values}, nil},
		"lost":        {&log{values: make([][]byte, 300)}, []error{envelope.ErrNeedsHeader, envelope.ErrHeaderLost}},
		"not read":    {&log{err: errors.ErrUnsupported}, []error{envelope.ErrNeedsHeader, errors.ErrUnsupported}},
		"no ReadBack": {nil, []error{envelope.ErrNeedsHeader}},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg reader.Config
			if c.log != nil {
				cfg.ReadBack = c.log.readBack
			}
			r := newReader(t, cfg)
			for i, flags := range []string{"not followed before", "none"} { // the second one is not searched for if nothing is left
				offset := 250 + i
				msg, err := r.Open(reader.Record{Offset: int64(offset), Value: values[offset]})
				for _, want := range c.errs {
					if !errors.Is(err, want) {
						t.Errorf("offset %d: got %v, want %v", offset, err, want)
					}
				}
				if want := fmt.Sprintf("message %d, %s, <nil>", offset, flags); c.errs == nil && text(msg, err) != want {
					t.Errorf("got %s, want %s", text(msg, err), want)
				}
			}
		})
	}
}

// Without this, whoever can write records could make a reader read the log back for each of them, or a broker that is
// away for a moment could make it give up for good.
func TestReadBackIsLimited(t *testing.T) {
	values := partition(sealer(nil), 300)
	madeUp := func(i int) []byte { return append([]byte{0xC1, 2, byte(i), byte(i >> 8)}, make([]byte, 14+12+16)...) }
	back := &log{values: make([][]byte, 300)}
	r := newReader(t, reader.Config{ReadBack: back.readBack})
	for range 2 {
		before := back.reads
		for i := range 100 {
			if _, err := r.Open(reader.Record{Offset: int64(300 + i), Value: madeUp(i)}); err == nil {
				t.Error("a record without a header opens")
			}
		}
		if got := back.reads - before; got != 2 { // two windows reach the start
			t.Errorf("the log was read %d times, want 2", got)
		}
		r.Revoked(0) // reading the partition begins again
	}
	synctest.Test(t, func(t *testing.T) {
		back := &log{values: values, err: errors.ErrUnsupported}
		r := newReader(t, reader.Config{ReadBack: back.readBack})
		for i := range 100 {
			if _, err := r.Open(reader.Record{Offset: int64(290 + i), Value: madeUp(i)}); err == nil {
				t.Error("a record without a header opens")
			}
		}
		if back.reads != 1 {
			t.Errorf("a log that fails was read %d times at once", back.reads)
		}
		back.err = nil
		time.Sleep(time.Second)
		if msg, err := r.Open(reader.Record{Offset: 400, Value: values[290]}); err != nil {
			t.Errorf("the broker is back: %s", text(msg, err))
		}
	})
}

// Without this, a reader could stop looking for headers before it has met all senders, or read the same records again
// and again.
func TestReadBackForManySenders(t *testing.T) {
	const senders = 40
	var headers, lean [][]byte
	for range senders {
		values := partition(sealer(nil), 2)
		headers, lean = append(headers, values[0]), append(lean, values[1])
	}
	slices.Reverse(lean) // so that each search finds its header farther back
	for name, batch := range map[string]int{"one by one": 1, "in a batch": senders} {
		t.Run(name, func(t *testing.T) {
			seen := make(map[int64]int)
			r := newReader(t, reader.Config{ReadBack: func(_ int32, from, to int64) iter.Seq2[[]byte, error] {
				return func(yield func([]byte, error) bool) {
					for offset := from; offset < to; offset++ {
						seen[offset]++
						var value []byte
						if offset%100 == 0 {
							value = headers[offset/100]
						}
						if !yield(value, nil) {
							return
						}
					}
				}
			}})
			records := from(append(make([][]byte, 100*senders), lean...), 100*senders, 100*senders+senders)
			for chunk := range slices.Chunk(records, batch) {
				for i, result := range r.OpenBatch(chunk) {
					if result.Err != nil {
						t.Errorf("offset %d: %v", chunk[i].Offset, result.Err)
					}
				}
			}
			for offset, n := range seen {
				if n > 1 {
					t.Errorf("offset %d was read %d times", offset, n)
				}
			}
		})
	}
}

// Without this, whoever can write records could make a reader read a whole log back, however long: with a header now and then,
// and a lean record for each.
func TestReadBackIsLimitedInAll(t *testing.T) {
	const senders, apart, limit, size = 8, 100_000, 1 << 18, 4 << 20
	headers, lean := make(map[int64][]byte), make([][]byte, senders)
	for i := range senders {
		values := partition(sealer(nil), 2)
		headers[int64(senders-1-i)*apart], lean[i] = values[0], values[1]
	}
	big := make([]byte, size)
	for name, c := range map[string]struct {
		value []byte
		most  int
	}{"records": {nil, limit + 1}, "bytes": {big, 256<<20/size + senders}} {
		read, opened := 0, 0
		r := newReader(t, reader.Config{ReadBack: func(_ int32, from, to int64) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for offset := from; offset < to; offset++ {
					value, is := headers[offset]
					if !is {
						value = c.value
					}
					if read++; !yield(value, nil) {
						return
					}
				}
			}
		}})
		for i, value := range lean {
			if _, err := r.Open(reader.Record{Offset: int64(senders*apart + i), Value: value}); err == nil {
				opened++
			} else if !errors.Is(err, envelope.ErrNeedsHeader) || !errors.Is(err, envelope.ErrHeaderFar) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if read > c.most {
			t.Errorf("%s: %d records were read back, want at most %d", name, read, c.most)
		}
		if want := map[string]int{"records": 2}[name]; opened != want {
			t.Errorf("%s: %d records open, want %d, whose headers are within the limits", name, opened, want)
		}
	}
}

// Without this, records of a batch could be lost or look missing though their header stands in it.
func TestBatchOpensLeanRecordsBeforeTheirHeader(t *testing.T) {
	s := sealer(nil)
	values := partition(s, 3)
	s.RepeatHeader()
	values = append(values, partition(s, 2)...)
	for i, result := range newReader(t, reader.Config{}).OpenBatch(from(values, 1, 5)) {
		if want := []string{"message 1, not followed before, <nil>", "message 2, none, <nil>", "message 0, none, <nil>", "message 1, none, <nil>"}[i]; text(result.Message, result.Err) != want {
			t.Errorf("offset %d: got %s, want %s", i+1, text(result.Message, result.Err), want)
		}
	}
}

// Without this, a batch could give one record's message for another's, or stop at a bad record.
func TestBatchKeepsOrder(t *testing.T) {
	values := partition(sealer(nil), 3)
	values[1] = []byte("hello")
	records := from(values, 0, 3)
	records = append(records, reader.Record{Partition: 7, Offset: 0, Value: values[0]}) // moved
	var got []string
	for _, result := range newReader(t, reader.Config{}).OpenBatch(records) {
		got = append(got, text(result.Message, result.Err))
	}
	want := "message 0, none, <nil>\n, none, not encrypted\nmessage 2, 1 missing before it, <nil>\nmessage 0, moved from partition 0, <nil>"
	if strings.Join(got, "\n") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if results := newReader(t, reader.Config{}).OpenBatch(nil); len(results) != 0 {
		t.Errorf("an empty batch gives %d results", len(results))
	}
}

// Without this, each rebalance would look like an attack: the records that another member read would be missing.
func TestRevoked(t *testing.T) {
	values := partition(sealer(func(cfg *envelope.SealerConfig) { cfg.Headers = envelope.HeaderPolicy{} }), 10)
	for revoked, want := range map[bool]string{true: "message 5, not followed before, <nil>", false: "message 5, 3 missing before it, <nil>"} {
		r := newReader(t, reader.Config{})
		r.OpenBatch(from(values, 0, 2))
		if revoked {
			r.Revoked(0)
			r.Revoked(99) // never read
		}
		if got := text(r.Open(from(values, 5, 6)[0])); got != want {
			t.Errorf("revoked %t: got %s, want %s", revoked, got, want)
		}
	}
}

// Without this, a key that comes late would end a reader.
func TestRotation(t *testing.T) {
	values := partition(sealer(nil), 2)
	r, err := reader.New(reader.Config{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(from(values, 0, 1)[0]); !errors.Is(err, envelope.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if err := r.SetKeys(key()); err != nil {
		t.Fatal(err)
	}
	if got := text(r.Open(from(values, 0, 1)[0])); got != "message 0, none, <nil>" {
		t.Errorf("with the key: %s", got)
	}
}

// Without this, a reader could ignore what it was told to require, or be made wrong and end the program.
func TestConfigurationIsChecked(t *testing.T) {
	for name, cfg := range map[string]reader.Config{
		"no topic":                   {},
		"a sender, and none trusted": {Topic: "t", Require: envelope.Requirements{VerifiedSender: true}},
		"freshness without a sender": {Topic: "t", TrustedSenders: trusted(), Require: envelope.Requirements{Fresh: true}},
	} {
		if _, err := reader.New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	var zero reader.Reader
	zero.Revoked(0)
	if msg, err := zero.Open(reader.Record{Value: []byte("hello")}); err == nil || msg.Plaintext != nil {
		t.Error("the zero reader opens a record")
	}
	if zero.SetKeys(key()) == nil || zero.Opener() != nil || zero.Tracker() != nil {
		t.Error("the zero reader takes keys")
	}
}

// Without this, a client that gives each partition a goroutine of its own could get wrong flags, or end.
func TestPartitionsAreReadAtOnce(t *testing.T) {
	s, r := sealer(nil), newReader(t, reader.Config{})
	var group sync.WaitGroup
	for id := range int32(4) {
		group.Go(func() {
			for offset := range int64(50) {
				value, err := s.Seal(nil, []byte("hello"), id)
				if err != nil {
					t.Error(err)
					return
				}
				if msg, err := r.Open(reader.Record{Partition: id, Offset: offset, Value: value}); text(msg, err) != "hello, none, <nil>" {
					t.Errorf("partition %d, offset %d: %s", id, offset, text(msg, err))
				}
				if offset == 25 {
					r.Revoked(id)
				}
			}
		})
	}
	group.Wait()
}

// Without this, each record of a mirror with other partitions would look like an attack.
func TestMirror(t *testing.T) {
	record := reader.Record{Partition: 3, Value: partition(sealer(nil), 1)[0]}
	for mirror, want := range map[bool]string{true: "message 0, none, <nil>", false: "message 0, moved from partition 0, <nil>"} {
		if got := text(newReader(t, reader.Config{Mirror: mirror}).Open(record)); got != want {
			t.Errorf("mirror %t: got %s, want %s", mirror, got, want)
		}
	}
}
