package envelope_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// kinds seals n messages of a size and returns F for each full record and l for each lean
// one.
func kinds(t testing.TB, sealer *envelope.Sealer, n, size int, partition int32) string {
	t.Helper()
	var out strings.Builder
	for range n {
		value := mustSeal(t, sealer, strings.Repeat("x", size), partition)
		d, err := envelope.Describe(value)
		switch {
		case err != nil:
			t.Fatal(err)
		case d.Lean && len(value) != 46+size || !d.Lean && len(value) != sealer.Size(size):
			t.Errorf("a record of %d bytes has %d, lean %t", size, len(value), d.Lean)
		case d.Lean:
			out.WriteByte('l')
		default:
			out.WriteByte('F')
		}
	}
	return out.String()
}

// Without this, a writer could leave out the header for longer than it says, and its
// records would be lost with it, or repeat it so often that it saves nothing.
func TestWhichRecordsAreFull(t *testing.T) {
	now := time.Unix(1_764_489_600, 0)
	lean := func(records int, more ...func(*testSealer)) *envelope.Sealer {
		m := testSealer{headers: envelope.HeaderPolicy{Records: records}}
		for _, change := range more {
			change(&m)
		}
		sealer := m.sealer(t)
		sealer.SetClock(func() time.Time { return now })
		return sealer
	}
	expect := func(name, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	expect("by default", kinds(t, testSealer{}.sealer(t), 4, 1000, 0), "FFFF")
	expect("one in four", kinds(t, lean(4), 9, 2000, 0), "FlllFlllF")
	for _, format := range []envelope.Format{envelope.FormatJWE, envelope.FormatRSA} {
		sealer := lean(64, func(m *testSealer) { m.format = format })
		for range 3 {
			if d, err := envelope.Describe(mustSeal(t, sealer, "x", 0)); err != nil || d.Lean {
				t.Errorf("%s: %+v, %v", format, d, err)
			}
		}
		sealer.RepeatHeader()
	}

	sealer := lean(64)
	expect("a partition's first", kinds(t, sealer, 2, 100, 0)+kinds(t, sealer, 2, 100, 1), "FlFl")
	now = now.Add(999 * time.Millisecond)
	expect("before the interval", kinds(t, sealer, 2, 100, 0), "ll")
	now = now.Add(time.Millisecond)
	expect("after it", kinds(t, sealer, 2, 100, 0), "Fl")
	now = now.Add(-time.Millisecond)
	expect("after the clock was set back", kinds(t, sealer, 2, 100, 0), "Fl")
	sealer.RepeatHeader()
	expect("after a failed send", kinds(t, sealer, 2, 100, 0)+kinds(t, sealer, 2, 100, 1), "FlFl")
	value, err := sealer.SealFull(nil, []byte("x"), 0)
	if d, describeErr := envelope.Describe(value); err != nil || describeErr != nil || d.Lean {
		t.Errorf("with a key in a compacted topic: %+v, %v, %v", d, err, describeErr)
	}
	awaiting := lean(64, func(m *testSealer) { m.headers.AwaitStored, m.limits.Records = true, 8 })
	seal := func() envelope.Sealed {
		t.Helper()
		_, sealed, err := awaiting.SealDated(nil, []byte("x"), 0, false)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	first := seal()
	expect("before one is stored", kinds(t, awaiting, 2, 100, 0), "FF")
	awaiting.Stored(first, 1)
	expect("after one was stored elsewhere", kinds(t, awaiting, 1, 100, 0), "F")
	awaiting.Stored(first, 0)
	expect("after it was stored", kinds(t, awaiting, 2, 100, 0), "ll")
	expect("in another partition", kinds(t, awaiting, 2, 100, 1), "FF")
	expect("a new data key of which none is stored", kinds(t, awaiting, 1, 100, 0), "F")
	awaiting.Stored(first, 0)
	expect("after one of the data key before was stored", kinds(t, awaiting, 1, 100, 0), "F")
	awaiting.Stored(seal(), 0)
	expect("after one of it was stored", kinds(t, awaiting, 2, 100, 0), "ll")
	awaiting.RepeatHeader()
	expect("after a failed send that is not followed by another", kinds(t, awaiting, 2, 100, 0), "FF")

	expect("a new data key", kinds(t, lean(64, func(m *testSealer) { m.limits.Records = 3 }), 7, 100, 0), "FllFllF")

	many := strangers(16, 4096)
	to16 := func(m *testSealer) { m.readers = many }
	for _, c := range []struct{ size, records, every int }{
		{0, 64, 1024}, // the most
		{2000, 64, 64},
		{1000, 1, 1},
	} {
		if got := kinds(t, lean(c.records, to16), 2*c.every, c.size, 0); got != strings.Repeat("F"+strings.Repeat("l", c.every-1), 2) {
			t.Errorf("16 readers, %d bytes: the full ones are %d and %d", c.size, strings.Index(got, "F"), strings.LastIndex(got, "F"))
		}
	}
	sealer, total := lean(64, to16), 0
	for range 5000 {
		total += len(mustSeal(t, sealer, strings.Repeat("x", 100), 0))
	}
	if plain := 5000 * 146; total > plain*100/89 {
		t.Errorf("the headers for 16 readers make %d bytes of %d", total, plain)
	}
	for says, headers := range map[string]envelope.HeaderPolicy{
		"one of -1 records": {Records: -1}, "one of 1025 records": {Records: 1025}, "every -1ns": {Interval: -1}, "every 1m0.000000001s": {Interval: time.Minute + 1},
	} {
		if _, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&key2048().PublicKey}, Headers: headers}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
}

// leanPair returns a full and a lean record of one data key.
func (m testSealer) leanPair(t testing.TB) (full, lean []byte) {
	t.Helper()
	m.headers = envelope.HeaderPolicy{Records: 64, Interval: time.Minute}
	sealer := m.sealer(t)
	full, lean = mustSeal(t, sealer, "first", 3), mustSeal(t, sealer, "second", 3)
	if d, err := envelope.Describe(lean); err != nil || !d.Lean {
		t.Fatalf("%+v, %v", d, err)
	}
	return full, lean
}

// Without this, a reader could take what it cannot read yet for damage, or would never
// read it.
func TestOpenLeanRecords(t *testing.T) {
	full, lean := testSealer{signing: signingKey(1)}.leanPair(t)
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}})
	open := func(step string, topic string, value []byte, want error) envelope.Message {
		t.Helper()
		msg, err := opener.Open(nil, topic, value)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", step, err, want)
		}
		return msg
	}
	setKeys := func(keys ...*rsa.PrivateKey) {
		t.Helper()
		if err := opener.SetKeys(keys...); err != nil {
			t.Fatal(err)
		}
	}
	_, err := opener.Open(nil, "t", lean)
	needs, ok := errors.AsType[*envelope.NeedsHeaderError](err)
	if d, describeErr := envelope.Describe(full); !ok || describeErr != nil || needs.Name.String() != d.HeaderName {
		t.Errorf("got %v, want the name %s", err, d.HeaderName)
	}
	open("the header in another topic", "u", full, envelope.ErrUndecryptable)
	open("no header", "t", lean, envelope.ErrNeedsHeader)
	open("the header without a key", "t", full, envelope.ErrNoKey)
	if msg := open("with the header, without a key", "t", lean, envelope.ErrNoKey); len(msg.Needs) != 1 {
		t.Errorf("it needs %v", msg.Needs)
	}
	setKeys(key3072())
	open("another key", "t", lean, envelope.ErrUnknownKey)
	setKeys(key2048())
	msg := open("the key came", "t", lean, nil)
	if string(msg.Plaintext) != "second" || msg.Sender.Name != "alice" || msg.Partition != 3 || msg.Counter != 1 || !msg.Counted || !msg.Bound {
		t.Errorf("got %+v", msg)
	}
	first, err := opener.Open(nil, "t", full)
	if err != nil || first.DataKey != msg.DataKey || first.Sender != msg.Sender || first.IssuedAt != msg.IssuedAt || first.Expires != msg.Expires || first.KeyID != msg.KeyID {
		t.Errorf("the full record says %+v, the lean one %+v", first, msg)
	}
	open("in another topic", "u", lean, envelope.ErrUndecryptable)
	open("altered", "t", altered(lean, len(lean)-1), envelope.ErrUndecryptable)
	open("with another name", "t", altered(lean, 2), envelope.ErrNeedsHeader)
	open("cut", "t", lean[:45], envelope.ErrMalformed)
	open("with a negative partition", "t", altered(lean, 18), envelope.ErrMalformed)
	setKeys()
	if opener.CachedDataKeys() != 0 {
		t.Error("data keys outlive the keys that opened them")
	}
	open("the key was taken away", "t", lean, envelope.ErrNoKey)
	setKeys(key4096(), key2048())
	open("and given back", "t", lean, nil)
}

// altered returns a copy with the highest bit of one byte flipped.
func altered(value []byte, at int) []byte {
	out := bytes.Clone(value)
	out[at] ^= 0x80
	return out
}

// Without this, a lean record could pass a requirement that its full form does not.
func TestRequirementsHoldForLeanRecords(t *testing.T) {
	trusted := []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}
	for name, c := range map[string]struct {
		sealer  testSealer
		require envelope.Requirements
	}{
		"format":   {testSealer{}, envelope.Requirements{Formats: []envelope.Format{envelope.FormatJWE}}},
		"unsigned": {testSealer{}, envelope.Requirements{VerifiedSender: true}},
		"mallory":  {testSealer{signing: signingKey(2)}, envelope.Requirements{VerifiedSender: true}},
		"readers":  {testSealer{readers: []*rsa.PrivateKey{key2048(), key3072()}}, envelope.Requirements{HeldReaders: true}},
		"allowed":  {testSealer{signing: signingKey(1)}, envelope.Requirements{VerifiedSender: true, HeldReaders: true}},
	} {
		full, lean := c.sealer.leanPair(t)
		opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: trusted, Require: c.require})
		if err := opener.SetKeys(key2048()); err != nil {
			t.Fatal(err)
		}
		_, fullErr := opener.Open(nil, "t", full)
		_, leanErr := opener.Open(nil, "t", lean)
		if (fullErr == nil) != (name == "allowed") || fmt.Sprint(fullErr) != fmt.Sprint(leanErr) {
			t.Errorf("%s: the full record gives %v, the lean one %v", name, fullErr, leanErr)
		}
	}
}

// Without this, anybody who may write could make the reader forget the headers in use,
// and with them lean records that are genuine.
func TestNobodyEvictsMoreTrustedHeaders(t *testing.T) {
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}})
	full, lean := testSealer{signing: signingKey(1)}.leanPair(t)
	open := func(value []byte, want error) {
		t.Helper()
		if _, err := opener.Open(nil, "t", value); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	flood := func(n int) {
		t.Helper()
		for i := range n {
			stranger := longPrefix("t", 1+i%16, 256+i%700)
			rand.Read(stranger[4:36])
			if _, err := opener.Open(nil, "t", stranger); err == nil {
				t.Fatal("a stranger's record opened")
			}
		}
	}
	open(full, envelope.ErrNoKey) // its key comes later
	flood(2000)
	open(lean, envelope.ErrNoKey)
	if err := opener.SetKeys(key2048()); err != nil {
		t.Fatal(err)
	}
	mallory := testSealer{limits: envelope.Limits{Records: 1}}.sealer(t)
	for range 600 {
		open(mustSeal(t, mallory, "x", 0), nil)
	}
	flood(2000)
	open(lean, nil)

	before := heap()
	for range 100_000 {
		unknown := altered(lean, 2)
		rand.Read(unknown[2:18])
		open(unknown, envelope.ErrNeedsHeader)
	}
	if grew := heap() - before; grew > 1<<20 {
		t.Errorf("lean records with unknown names left %d bytes", grew)
	}
	unknown := altered(lean, 2)
	if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(nil, "t", unknown) }); got > 1 { //nolint:errcheck // only the memory counts here
		t.Errorf("a lean record with an unknown name takes %v allocations", got)
	}
	open(lean, nil)
}

// Without this, whoever writes a trusted sender's old records again, for a key that is not
// held, would push out headers of records that are read now.
func TestExpiredHeadersCountAsOpenedOnlyIfTheyWere(t *testing.T) {
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}})
	if err := opener.SetKeys(key2048()); err != nil {
		t.Fatal(err)
	}
	full, lean := testSealer{}.leanPair(t)
	if _, err := opener.Open(nil, "t", full); err != nil {
		t.Fatal(err)
	}
	old := testSealer{readers: []*rsa.PrivateKey{key3072()}, signing: signingKey(1), limits: envelope.Limits{Records: 1}}.sealer(t)
	old.SetClock(func() time.Time { return time.Now().Add(-24 * time.Hour) })
	for range 600 {
		if _, err := opener.Open(nil, "t", mustSeal(t, old, "x", 0)); !errors.Is(err, envelope.ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	if _, err := opener.Open(nil, "t", lean); err != nil {
		t.Error(err)
	}
}

// Without this, expired headers, whose records anybody can write again, would push out
// the headers in use.
func TestExpiredHeadersGoFirst(t *testing.T) {
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}})
	if err := opener.SetKeys(key2048()); err != nil {
		t.Fatal(err)
	}
	full, lean := testSealer{signing: signingKey(1)}.leanPair(t)
	if _, err := opener.Open(nil, "t", full); err != nil {
		t.Fatal(err)
	}
	old := testSealer{signing: signingKey(1), limits: envelope.Limits{Records: 1}}.sealer(t)
	old.SetClock(func() time.Time { return time.Now().Add(-24 * time.Hour) })
	for range 600 {
		if _, err := opener.Open(nil, "t", mustSeal(t, old, "x", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := opener.Open(nil, "t", lean); err != nil {
		t.Error(err)
	}
}

// Without this, changing the keys while records are opened could leave a data key in
// memory whose private key was taken away, or open nothing any more.
func TestKeysChangeWhileLeanRecordsAreOpened(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	opener := newOpener(t, key2048())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 50 {
				for _, value := range [][]byte{full, lean} {
					if _, err := opener.Open(nil, "t", value); err != nil && !errors.Is(err, envelope.ErrNoKey) && !errors.Is(err, envelope.ErrNeedsHeader) {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 20 {
		for _, keys := range [][]*rsa.PrivateKey{nil, {key2048()}, nil} {
			if err := opener.SetKeys(keys...); err != nil {
				t.Error(err)
			}
		}
	}
	readers.Wait()
	if got := opener.CachedDataKeys(); got != 0 {
		t.Errorf("%d data keys outlive their key", got)
	}
}

// Without this, converting a lean record would need a key, or make another record of it.
func TestAddHeader(t *testing.T) {
	full, lean := testSealer{signing: signingKey(1), readers: []*rsa.PrivateKey{key2048(), key3072()}}.leanPair(t)
	made, err := envelope.AddHeader(lean, full)
	if err != nil || len(made) != len(full)+1 {
		t.Fatalf("%d bytes, %v", len(made), err)
	}
	text, err := envelope.Convert(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{made, text} {
		if msg, err := newOpener(t, key2048()).Open(nil, "t", value); err != nil || string(msg.Plaintext) != "second" || msg.Counter != 1 {
			t.Errorf("%v, %v", msg, err)
		}
	}
	if same, err := envelope.AddHeader(full, lean); err != nil || !bytes.Equal(same, full) {
		t.Errorf("a full record changed: %v", err)
	}
	other, _ := testSealer{}.leanPair(t)
	for name, c := range map[string]struct {
		value, full []byte
		want        error
	}{
		"another header":   {lean, other, envelope.ErrNeedsHeader},
		"a broken header":  {lean, full[:100], envelope.ErrMalformed},
		"text as a header": {lean, text, envelope.ErrNotEncrypted},
		"a broken record":  {lean[:40], full, envelope.ErrMalformed},
		"text":             {[]byte("hello"), full, envelope.ErrNotEncrypted},
	} {
		if out, err := envelope.AddHeader(c.value, c.full); !errors.Is(err, c.want) || out != nil {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	if _, err := envelope.AddHeader(lean, lean); err == nil {
		t.Error("a lean record served as a header")
	}
	if _, err := envelope.Convert(lean); !errors.Is(err, envelope.ErrNeedsHeader) {
		t.Errorf("converting without a header: %v", err)
	}
}

// Without this, an opener made for new keys would not open lean records whose header was
// read before.
func TestCopyHeaders(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	old, next := newOpener(t), newOpener(t, key2048())
	if _, err := old.Open(nil, "t", full); !errors.Is(err, envelope.ErrNoKey) {
		t.Fatal(err)
	}
	for range 2 {
		next.CopyHeaders(old)
		next.CopyHeaders(next)
		if _, err := next.Open(nil, "t", lean); err != nil {
			t.Error(err)
		}
	}
	if got, _ := next.CachedPrefixes(); got != 1 || next.CachedDataKeys() != 1 || old.CachedDataKeys() != 0 {
		t.Errorf("%d headers, %d data keys, %d in the old opener", got, next.CachedDataKeys(), old.CachedDataKeys())
	}
}
