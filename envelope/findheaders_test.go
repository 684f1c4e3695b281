package envelope_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"

	"kafka-e2ee/envelope"
)

// partitionLog is a partition, of which only the records from start on are left.
type partitionLog struct {
	values [][]byte
	start  int64
	read   int        // records so far
	ranges [][2]int64 // that were read
	fails  error
}

func (l *partitionLog) search(t testing.TB, offset int64) envelope.HeaderSearch {
	t.Helper()
	_, err := newOpener(t).Open(nil, "t", l.values[offset])
	needs, ok := errors.AsType[*envelope.NeedsHeaderError](err)
	if !ok {
		t.Fatalf("offset %d: %v", offset, err)
	}
	return envelope.HeaderSearch{Topic: "t", Names: []envelope.HeaderName{needs.Name}, Offset: offset, LogStart: l.start, Read: l.between}
}

func (l *partitionLog) between(from, to int64) iter.Seq2[[]byte, error] {
	l.ranges = append(l.ranges, [2]int64{from, to})
	return func(yield func([]byte, error) bool) {
		for _, value := range l.values[max(from, l.start):to] {
			l.read++
			if !yield(value, nil) {
				return
			}
		}
		if l.fails != nil {
			yield(nil, l.fails)
		}
	}
}

// newLog returns n records of two writers, one full in 64 of each.
func newLog(t testing.TB, n int) *partitionLog {
	t.Helper()
	lean := testSealer{headers: envelope.HeaderPolicy{Records: 64, Interval: 60e9}}
	one, two := lean.sealer(t), lean.sealer(t)
	log := new(partitionLog)
	for i := range n {
		sealer := one
		if i%3 == 1 {
			sealer = two
		}
		log.values = append(log.values, mustSeal(t, sealer, fmt.Sprintf("%0200d", i), 0))
	}
	return log
}

// Without this, a consumer that starts between two headers would lose records that are
// all there, or read a whole topic for one of them.
func TestFindHeader(t *testing.T) {
	log := newLog(t, 500)
	for offset := range int64(500) {
		opener := newOpener(t, key2048())
		want := fmt.Sprintf("%0200d", offset)
		if msg, err := opener.Open(nil, "t", log.values[offset]); err == nil {
			if string(msg.Plaintext) != want {
				t.Errorf("offset %d: %q", offset, msg.Plaintext)
			}
			continue
		}
		log.read = 0
		if err := opener.FindHeaders(log.search(t, offset)); err != nil {
			t.Fatalf("offset %d: %v", offset, err)
		}
		if msg, err := opener.Open(nil, "t", log.values[offset]); err != nil || string(msg.Plaintext) != want {
			t.Fatalf("offset %d: %v", offset, err)
		}
		if log.read > 128+256 { // the header is at most 192 records away
			t.Errorf("offset %d: %d records were read", offset, log.read)
		}
	}
}

// Without this, a consumer could wait for ever for a header that is gone, take one that
// is merely far away for lost, or pass over a record because the broker was away.
func TestFindHeaderGivesUp(t *testing.T) {
	log := newLog(t, 500)
	offset := int64(len(log.values) - 1)
	var full int64 // the last record with the header of the last lean one
	for i, value := range log.values {
		if _, err := envelope.AddHeader(log.values[offset], value); err == nil {
			full = int64(i)
		}
	}
	opener := newOpener(t, key2048())
	log.start = full + 1
	s := log.search(t, offset)
	if err := opener.FindHeaders(s); !errors.Is(err, envelope.ErrHeaderLost) || log.read != int(offset-log.start) {
		t.Errorf("%d records read, %v", log.read, err)
	}
	slices.Reverse(log.ranges)
	for i, r := range log.ranges {
		if i > 0 && r[0] != log.ranges[i-1][1] {
			t.Errorf("the windows are %v", log.ranges)
		}
	}
	log.start, s.LogStart = 0, 0
	few, small := s, s
	few.MaxRecords, small.MaxBytes = 5, 1000
	for _, limited := range []envelope.HeaderSearch{few, small} {
		if err := opener.FindHeaders(limited); !errors.Is(err, envelope.ErrHeaderFar) {
			t.Errorf("with a limit: %v", err)
		}
	}
	s.Topic = "u"
	if err := opener.FindHeaders(s); !errors.Is(err, envelope.ErrUndecryptable) {
		t.Errorf("a header of another topic: %v", err)
	}
	s.Topic, log.fails = "t", errors.New("no broker")
	log.start, s.LogStart = full+1, full+1
	if err := opener.FindHeaders(s); !errors.Is(err, log.fails) || errors.Is(err, envelope.ErrHeaderLost) {
		t.Errorf("reading fails: %v", err)
	}
	log.start, s.LogStart, log.fails = 0, -2, nil // the oldest offset, as Kafka's clients name it
	if err := opener.FindHeaders(s); err != nil {
		t.Error(err)
	}
	s.Offset, s.LogStart = 0, 0
	if err := newOpener(t).FindHeaders(s); !errors.Is(err, envelope.ErrHeaderLost) {
		t.Errorf("the first record: %v", err)
	}
}

// Without this, a search that has found everything could fail at the rest of its window.
func TestFindHeaderIsDoneOnceAllAreFound(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	log := &partitionLog{values: append(append([][]byte{full}, make([][]byte, 50)...), lean)}
	s := log.search(t, 51)
	s.MaxRecords = 10
	if err := newOpener(t, key2048()).FindHeaders(s); err != nil {
		t.Errorf("with a limit: %v", err)
	}
	s.MaxRecords, log.fails = 0, errors.New("no broker")
	if err := newOpener(t, key2048()).FindHeaders(s); err != nil {
		t.Errorf("reading fails: %v", err)
	}
}

// Without this, one made-up name would have a reader ask for each of the million windows that retention has emptied, unless it
// knows where the log starts.
func TestSearchPassesOverWhatIsDeleted(t *testing.T) {
	const start, n = int64(4) << 30, 10_000
	full, lean := testSealer{}.leanPair(t)
	for _, at := range []int64{start, -1} {
		opener, reads := newOpener(t, key2048()), 0
		name, _ := envelope.LeanName(lean)
		err := opener.FindHeaders(envelope.HeaderSearch{Topic: "t", Offset: start + n, Names: []envelope.HeaderName{name}, Read: func(from, to int64) iter.Seq2[[]byte, error] {
			reads++
			return func(yield func([]byte, error) bool) {
				for offset := max(from, start); offset < to; offset++ {
					value := []byte("in between")
					if offset == at {
						value = full
					}
					if !yield(value, nil) {
						return
					}
				}
			}
		}})
		if found := at == start; found != (err == nil) || !found && !errors.Is(err, envelope.ErrHeaderLost) {
			t.Errorf("the header is at %d: %v", at, err)
		}
		if reads > 50 {
			t.Errorf("the header is at %d: read %d times", at, reads)
		}
	}
}

// Without this, whoever may write could fill the reader's memory with headers that a search
// finds, each of 17 KB, if as many lean records name them.
func TestFoundHeadersTakeLittleMemory(t *testing.T) {
	const n = 2000
	full := longPrefix("t", 16, 1024)
	d, err := envelope.Describe(full)
	if err != nil {
		t.Fatal(err)
	}
	numbered := func(i int64) []byte {
		binary.BigEndian.PutUint64(full[4:], uint64(i))
		return full
	}
	s := envelope.HeaderSearch{Topic: "t", Offset: n, Names: []envelope.HeaderName{{}}} // one of them is nowhere
	for i := range int64(n) {
		sum := sha256.Sum256(numbered(i)[:d.Prefix])
		s.Names = append(s.Names, envelope.HeaderName(sum[:16]))
	}
	var before, most int
	s.Read = func(from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			most = max(most, heap()-before)
			for i := from; i < to && yield(numbered(i), nil); i++ {
			}
			most = max(most, heap()-before)
		}
	}
	opener := newOpener(t, key2048())
	before = heap()
	if err := opener.FindHeaders(s); !errors.Is(err, envelope.ErrHeaderLost) {
		t.Error(err)
	}
	if most > 8<<20 { // a cache takes 4 MiB
		t.Errorf("a search for %d headers of %d bytes took %d bytes", n, d.Prefix, most)
	}
	runtime.KeepAlive(opener)
}

// Without this, a search among many senders would make the reader forget the header in use.
func TestSearchForgetsNoHeaderInUse(t *testing.T) {
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}})
	if err := opener.SetKeys(key2048()); err != nil {
		t.Fatal(err)
	}
	full, lean := testSealer{signing: signingKey(1)}.leanPair(t)
	others := testSealer{signing: signingKey(1), limits: envelope.Limits{Records: 1}}.sealer(t)
	log := new(partitionLog)
	for range 700 { // more than there is room for
		log.values = append(log.values, mustSeal(t, others, "x", 0))
	}
	open := func(value []byte) {
		t.Helper()
		if _, err := opener.Open(nil, "t", value); err != nil {
			t.Fatal(err)
		}
	}
	open(full)
	open(lean)
	nowhere := envelope.HeaderSearch{Topic: "t", Names: []envelope.HeaderName{{}}, Offset: 700, Read: log.between}
	if err := opener.FindHeaders(nowhere); !errors.Is(err, envelope.ErrHeaderLost) {
		t.Fatal(err)
	}
	open(mustSeal(t, others, "x", 0))
	open(lean)
}

// FuzzFindHeader checks that a search ends, whatever the records are, and that the lean
// record is then readable, or the search said that it is not.
func FuzzFindHeader(f *testing.F) {
	full, lean := leanVectors(f)[0].earlier, leanVectors(f)[0].record // the vector "lean"
	d, err := envelope.Describe(full)
	if err != nil {
		f.Fatal(err)
	}
	prefix := full[:d.Prefix]
	f.Add(full, 3, uint16(200))
	f.Add(lean, 0, uint16(9))
	f.Add(prefix, 1, uint16(500))
	f.Add(append(prefix[:len(prefix):len(prefix)], make([]byte, 28)...), 7, uint16(500))
	f.Fuzz(func(t *testing.T, value []byte, at int, n uint16) {
		log := &partitionLog{values: make([][]byte, int(n)%1000+1)}
		last := len(log.values) - 1
		if last > 0 {
			log.values[max(at, -at, 0)%last] = value
		}
		log.values[last] = lean
		opener := newOpener(t, key2048())
		err := opener.FindHeaders(log.search(t, int64(last)))
		_, openErr := opener.Open(nil, "t", lean)
		if (err == nil) == errors.Is(openErr, envelope.ErrNeedsHeader) || log.read > last {
			t.Errorf("found: %v, then: %v, %d of %d records read", err, openErr, log.read, last)
		}
	})
}

// Without this, a consumer with many waiting records would read the log once for each
// header, and whoever writes lean records with made-up names could make it do so for ever.
func TestFindHeadersKeepsAllThatItMeets(t *testing.T) {
	log := newLog(t, 500)
	opener := newOpener(t, key2048())
	s := log.search(t, 499)
	s.Names = nil
	for _, offset := range []int64{498, 499} {
		s.Names = append(s.Names, log.search(t, offset).Names...)
	}
	if s.Names[0] == s.Names[1] {
		t.Fatal("both records have the same header")
	}
	if err := opener.FindHeaders(s); err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{498, 499} {
		if _, err := opener.Open(nil, "t", log.values[offset]); err != nil {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
	known := log.read
	if err := opener.FindHeaders(s); err != nil || log.read != known {
		t.Errorf("%d records were read again, %v", log.read-known, err)
	}

	opener, s.Names = newOpener(t, key2048()), []envelope.HeaderName{{1, 2, 3}}
	if err := opener.FindHeaders(s); !errors.Is(err, envelope.ErrHeaderLost) {
		t.Errorf("a made-up name: %v", err)
	}
	if opener.CachedDataKeys() != 0 {
		t.Error("a search did private-key operations")
	}
	for offset, value := range log.values {
		if _, err := opener.Open(nil, "t", value); err != nil {
			t.Fatalf("offset %d after a search for a made-up name: %v", offset, err)
		}
	}
}

// Without this, a search through junk could fill the reader's memory, or push out the
// headers that it is for.
func TestFindHeadersInJunk(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	log := &partitionLog{values: [][]byte{full}}
	for i := range 1500 {
		junk := longPrefix("t", 1+i%16, 1024)
		rand.Read(junk[4:36])
		log.values = append(log.values, junk)
	}
	log.values = append(log.values, lean)
	opener := newOpener(t, key2048())
	if err := opener.FindHeaders(log.search(t, 1501)); err != nil {
		t.Fatal(err)
	}
	if _, err := opener.Open(nil, "t", lean); err != nil {
		t.Error(err)
	}
	log.values[0], log.values[800] = log.values[800], full // more junk behind it in its window than there is room for
	s := log.search(t, 1501)
	s.Names = append(s.Names, envelope.HeaderName{1, 2, 3}) // made up, so that the search goes on behind the header
	opener = newOpener(t, key2048())
	if err := opener.FindHeaders(s); !errors.Is(err, envelope.ErrHeaderLost) {
		t.Errorf("a made-up name: %v", err)
	}
	if _, err := opener.Open(nil, "t", lean); err != nil {
		t.Error(err)
	}
	if prefixes, size := opener.CachedPrefixes(); prefixes > 3*512 || size > 3*4<<20 {
		t.Errorf("%d headers take %d bytes", prefixes, size)
	}
}
