package envelope_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// longPrefix returns a record with n recipients, whose wrapped keys have a size.
func longPrefix(topic string, n, size int) []byte {
	value := append([]byte{0xC1, 0, byte(len(topic))}, topic...)
	value = append(value, make([]byte, 32)...)
	value = binary.BigEndian.AppendUint64(value, 1_764_489_600)
	value = binary.BigEndian.AppendUint64(value, 1_764_494_100)
	value = append(value, byte(n))
	for i := range n {
		value = append(value, bytes.Repeat([]byte{byte(i)}, 32)...)
		value = binary.BigEndian.AppendUint16(value, uint16(size))
		value = append(value, make([]byte, size)...)
	}
	return append(value, make([]byte, 28)...)
}

func textPart(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// Without this, a writer who has no key could crash the reader with a few hundred
// records, and again after each restart. Each of these records is new. Broken ones must
// not be cached at all, and sound ones only within the limit.
func TestFloodsDoNotGrowTheHeap(t *testing.T) {
	foreignHeader := func(long, i int) string {
		return fmt.Sprintf(`{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"%s","x":"%s"}`, textPart(fmt.Sprintf("%032d", i)), strings.Repeat("x", long))
	}
	compact := func(header string, wrapped int) []byte {
		return []byte(textPart(header) + "." + textPart(string(make([]byte, wrapped))) + "." + textPart(string(make([]byte, 12))) + ".AAAA." + textPart(string(make([]byte, 16))))
	}
	jsonOf := func(protected string, recipients, size, i int) []byte {
		text := `{"protected":"` + protected + `","recipients":[`
		for j := range recipients {
			text += fmt.Sprintf(`{"header":{"kid":"%s"},"encrypted_key":"%s"},`, textPart(fmt.Sprintf("%016d%016d", i, j)), textPart(string(make([]byte, size))))
		}
		return []byte(strings.TrimSuffix(text, ",") + `],"iv":"AAAAAAAAAAAAAAAA","ciphertext":"AAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA"}`)
	}
	native := textPart(`{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"kafka-e2ee-v1","topic":"t","commitment":"` + strings.Repeat("A", 43) + `","iat":1764489600,"exp":1764494100}`)
	exact, sound, twice, slash := longPrefix("t", 15, 65535), longPrefix("t", 16, 1024), longPrefix("t", 16, 1024), longPrefix("/", 16, 1024)
	const first = 3 + 1 + 32 + 16 + 1 // recipient
	copy(twice[first:], twice[first+34+1024:][:32])
	if len(exact) != 983616 {
		t.Fatalf("the record has %d bytes", len(exact))
	}
	fresh := func(value []byte) func(int) []byte {
		return func(i int) []byte {
			binary.BigEndian.PutUint64(value[4:], uint64(i))
			return value
		}
	}
	opener := newOpener(t, key2048())
	for _, c := range []struct {
		name   string
		n      int
		make   func(i int) []byte
		want   error
		cached bool
	}{
		{"15 wrapped keys of 64 KiB", 700, fresh(exact), envelope.ErrMalformed, false},
		{"a recipient twice", 700, fresh(twice), envelope.ErrMalformed, false},
		{"an impossible topic", 700, fresh(slash), envelope.ErrMalformed, false},
		{"for unknown keys, of the greatest length", 700, fresh(sound), envelope.ErrUnknownKey, true},
		{"text, broken JSON", 600, func(i int) []byte { return compact(foreignHeader(8000, i)+"}", 1024) }, envelope.ErrMalformed, false},
		{"text, a header too long", 60, func(i int) []byte { return compact(foreignHeader(100000, i), 1024) }, envelope.ErrMalformed, false},
		{"text, a wrapped key too long", 60, func(i int) []byte { return compact(foreignHeader(8000, i), 100000) }, envelope.ErrMalformed, false},
		{"text, for unknown keys", 600, func(i int) []byte { return compact(foreignHeader(8000, i), 1024) }, envelope.ErrUnknownKey, true},
		{"text, another algorithm", 600, func(i int) []byte {
			return compact(strings.Replace(foreignHeader(8000, i), "A256GCM", "A128GCM", 1), 1024)
		}, envelope.ErrUnsupported, false},
		{"JSON, two wrapped keys of 64 KiB", 60, func(i int) []byte { return jsonOf(native, 2, 65535, i) }, envelope.ErrMalformed, false},
		{"JSON, 1000 recipients", 30, func(i int) []byte { return jsonOf(native, 1000, 256, i) }, envelope.ErrMalformed, false},
		{"JSON, for unknown keys", 400, func(i int) []byte { return jsonOf(native, 16, 1024, i) }, envelope.ErrUnknownKey, true},
		{"only the beginning of a compact JWE", 60, func(i int) []byte { return fmt.Appendf(nil, "eyJ%d%s", i, strings.Repeat("A", 900000)) }, envelope.ErrMalformed, false},
	} {
		known, _ := opener.CachedPrefixes()
		before := heap()
		for i := range c.n {
			if _, err := opener.Open(nil, "t", c.make(i)); !errors.Is(err, c.want) {
				t.Fatalf("%s: %v, want %v", c.name, err, c.want)
			}
		}
		if grew := heap() - before; grew > 5<<20 { // a cache takes 4 MiB
			t.Errorf("%s: %d records left %d bytes", c.name, c.n, grew)
		}
		now, size := opener.CachedPrefixes()
		if !c.cached && now != known {
			t.Errorf("%s: %d of them are cached", c.name, now-known)
		}
		if size > 4<<20 {
			t.Errorf("%s: the refused prefixes take %d bytes", c.name, size)
		}
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(nil, "t", exact) }); got != 0 { //nolint:errcheck // only the memory counts here
		t.Errorf("a broken record takes %v allocations each time", got)
	}
	runtime.KeepAlive(opener)
}

// Without this, anybody who may write could evict the data keys in use and make every
// record cost a private-key operation; and anybody with the public key could evict those
// of verified senders.
func TestNobodyEvictsMoreTrustedDataKeys(t *testing.T) {
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public(signingKey(1))}}})
	if err := opener.SetKeys(key2048()); err != nil {
		t.Fatal(err)
	}
	verified, opened := testSealer{signing: signingKey(1)}.seal(t, "hello", 0), testSealer{}.seal(t, "hello", 0)
	for _, value := range [][]byte{verified, opened} {
		if _, err := opener.Open(nil, "t", value); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3000 {
		stranger := longPrefix("t", 1, 256)
		rand.Read(stranger[4:36])
		if i < 100 { // altered copies, each of which costs an operation
			stranger = bytes.Clone(verified)
			stranger[4+32+16+32+64+1+32+2+i] ^= 1
		}
		if _, err := opener.Open(nil, "t", stranger); err == nil {
			t.Fatal("an altered record opened")
		}
	}
	if !opener.Caches(verified) || !opener.Caches(opened) {
		t.Errorf("refused records evicted a verified one: %t, an opened one: %t", !opener.Caches(verified), !opener.Caches(opened))
	}
	mallory, elsewhere := testSealer{limits: envelope.Limits{Records: 1}}.sealer(t), testSealer{limits: envelope.Limits{Records: 1}, signing: signingKey(1), topic: "u"}.sealer(t)
	for range 600 {
		if _, err := opener.Open(nil, "t", mustSeal(t, mallory, "x", 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := opener.Open(nil, "t", mustSeal(t, elsewhere, "x", 0)); !errors.Is(err, envelope.ErrUndecryptable) {
			t.Fatal(err)
		}
	}
	if !opener.Caches(verified) {
		t.Error("records of unverified senders evicted a verified one")
	}
	if got, _ := opener.CachedPrefixes(); got > 3*512 {
		t.Errorf("%d prefixes are cached", got)
	}
}

// Without this, junk could hold up work that is nearly free: nothing but private-key
// operations may wait for private-key operations, not even junk that failed before.
func TestOnlyPrivateKeyOperationsWait(t *testing.T) {
	opener := newOpener(t, key2048())
	known, text, fresh := testSealer{}.seal(t, "hello", 0), testSealer{format: envelope.FormatJWE}.seal(t, "hello", 0), seal(t, key2048(), "hello")
	junk, foreign := seal(t, key2048(), "hello"), seal(t, key3072(), "hello")
	block, err := base64.StdEncoding.DecodeString(string(junk))
	if err != nil {
		t.Fatal(err)
	}
	block[100] ^= 1
	junk = []byte(base64.StdEncoding.EncodeToString(block))
	open := func(value []byte, want error) {
		if msg, err := opener.Open(nil, "t", value); !errors.Is(err, want) || err == nil && string(msg.Plaintext) != "hello" {
			t.Errorf("%.20q: %v, want %v", value, err, want)
		}
	}
	open(known, nil)
	open(text, nil)
	open(junk, envelope.ErrUndecryptable)

	release := envelope.BlockPrivateKeyOps()
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		open(fresh, nil)
	}()
	for _, c := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"a known data key", known, nil},
		{"a known data key in a text", text, nil},
		{"a text", []byte("hello"), envelope.ErrNotEncrypted},
		{"a broken record", known[:50], envelope.ErrMalformed},
		{"junk that failed before", junk, envelope.ErrUndecryptable},
		{"a block whose size fits no key", foreign, envelope.ErrUndecryptable},
	} {
		within(t, c.name, func() { open(c.value, c.want) })
	}
	time.Sleep(100 * time.Millisecond)
	select {
	case <-opened:
		t.Error("a private-key operation did not wait for the others")
	default:
	}
	release()
	<-opened
	if got := opener.FailedBlocks(); got != 1 {
		t.Errorf("%d blocks are cached as failed, want only the junk", got)
	}
}

// Without this, a record of the format rsa that came before its key would never open, or
// junk would fill the reader's memory.
func TestFailedBlocksAreDropped(t *testing.T) {
	opener := newOpener(t, key3072(), newKey(2048))
	value := seal(t, key2048(), "hello")
	for range 2 {
		if _, err := opener.Open(nil, "t", value); !errors.Is(err, envelope.ErrUndecryptable) {
			t.Fatal(err)
		}
	}
	if got := opener.FailedBlocks(); got != 1 {
		t.Errorf("%d blocks are cached as failed, want 1", got)
	}
	if err := opener.SetKeys(key3072(), key2048()); err != nil {
		t.Fatal(err)
	}
	if got := opener.FailedBlocks(); got != 0 {
		t.Errorf("%d failed blocks outlived the keys", got)
	}
	if msg, err := opener.Open(nil, "t", value); err != nil || string(msg.Plaintext) != "hello" {
		t.Errorf("with its key: %v", err)
	}
	opener.AddFailedBlocks(20000)
	if got := opener.FailedBlocks(); got > 8192 || got < 4096 {
		t.Errorf("%d blocks are cached as failed, want 4096 to 8192", got)
	}
}

// Without this, concurrent readers would unwrap the same data key several times, or get
// an entry that is not ready.
func TestConcurrentReadersUnwrapOnce(t *testing.T) {
	readers := []*rsa.PrivateKey{key2048()}
	for range 20 {
		opener, value := newOpener(t, readers...), testSealer{}.seal(t, "hello", 0)
		errs := make(chan error)
		for range 8 {
			go func() {
				_, err := opener.Open(nil, "t", value)
				errs <- err
			}()
		}
		for range 8 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if got, _ := opener.CachedPrefixes(); got != 1 || !opener.Caches(value) {
			t.Errorf("%d prefixes are cached", got)
		}
	}
}

// Without this, a topic full of copies of one altered record would keep the reader busy:
// a private-key operation costs a thousand times as much as opening.
func TestRefusalsAreCached(t *testing.T) {
	value := testSealer{}.seal(t, "hello", 0)
	d, err := envelope.Describe(value)
	if err != nil {
		t.Fatal(err)
	}
	value[d.Prefix-1] ^= 1 // in the wrapped key
	opener := newOpener(t, key2048())
	dst := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() { _, err = opener.Open(dst, "t", value) }); got != 0 || !errors.Is(err, envelope.ErrUndecryptable) {
		t.Errorf("%v allocations each time, %v", got, err)
	}
	if got, _ := opener.CachedPrefixes(); got != 1 {
		t.Errorf("%d prefixes are cached", got)
	}
}

// Without this, a reader could go on reading after its key was taken away, or would not
// try new keys on records that were refused before.
func TestNewKeysClearTheCache(t *testing.T) {
	for name, value := range everySerialization(t) {
		opener := newOpener(t, key2048())
		if _, err := opener.Open(nil, "t", value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range []struct {
			keys []*rsa.PrivateKey
			want error
		}{{nil, envelope.ErrNoKey}, {[]*rsa.PrivateKey{key4096()}, envelope.ErrUnknownKey}, {[]*rsa.PrivateKey{key4096(), key2048()}, nil}} {
			if err := opener.SetKeys(c.keys...); err != nil {
				t.Fatal(err)
			}
			if name == "rsa" && errors.Is(c.want, envelope.ErrUnknownKey) {
				c.want = envelope.ErrUndecryptable // it names no key
			}
			if _, err := opener.Open(nil, "t", value); !errors.Is(err, c.want) {
				t.Errorf("%s with %d keys: %v, want %v", name, len(c.keys), err, c.want)
			}
		}
	}
}

// Without this, a topic with many data keys would fill the reader's memory, or records
// would be opened with the wrong data key.
func TestManyDataKeys(t *testing.T) {
	sealer := testSealer{limits: envelope.Limits{Records: 1}}.sealer(t)
	opener := newOpener(t, key2048())
	often := testSealer{}.sealer(t)
	for i := range 600 {
		for _, s := range []*envelope.Sealer{sealer, often} {
			if msg, err := opener.Open(nil, "t", mustSeal(t, s, "hello", 0)); err != nil || string(msg.Plaintext) != "hello" {
				t.Fatalf("data key %d: %v", i, err)
			}
		}
	}
	if got, _ := opener.CachedPrefixes(); got > 512 {
		t.Errorf("%d prefixes are cached", got)
	}
}
