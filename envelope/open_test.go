package envelope_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, a record could be lost, or be shown with a wrong key, partition or
// counter.
func TestSealOpenWithDataKeys(t *testing.T) {
	for _, format := range nativeFormats {
		for _, signing := range []ed25519.PrivateKey{nil, signingKey(1)} {
			sealer := testSealer{format: format, signing: signing}.sealer(t)
			opener := newOpener(t, key3072(), key2048())
			dataKey := ""
			for i, size := range []int{0, 1, 2, 3, 100, 767, 768, 769, 1 << 20} {
				message := make([]byte, size)
				for j := range message {
					message[j] = byte(j * 7)
				}
				value := mustSeal(t, sealer, "kept"+string(message), 300)
				if got := sealer.Size(size + 4); got != len(value) {
					t.Errorf("%s: %d bytes make a record of %d, Size returns %d", format, size, len(value), got)
				}
				msg, err := opener.Open([]byte("dst "), "t", value)
				if err != nil || string(msg.Plaintext) != "dst kept"+string(message) {
					t.Fatalf("%s, %d bytes: %v", format, size, err)
				}
				want := msg
				want.Format, want.KeyID, want.Counted, want.Bound = format, envelope.KeyID(&key2048().PublicKey), true, true
				want.Partition, want.Counter = 300, uint64(i)
				if msg.Format != want.Format || msg.KeyID != want.KeyID || !msg.Counted || !msg.Bound || msg.Partition != 300 || msg.Counter != uint64(i) {
					t.Errorf("%s: got %+v", format, msg)
				}
				if dataKey != "" && msg.DataKey != dataKey || msg.DataKey == "" {
					t.Errorf("%s: the data key is now %q, was %q", format, msg.DataKey, dataKey)
				}
				dataKey = msg.DataKey
			}
		}
	}
}

// Without this, one of several readers could not open a record, or a stranger could.
func TestEachReaderOpens(t *testing.T) {
	value := testSealer{readers: []*rsa.PrivateKey{key2048(), key3072(), key4096()}}.seal(t, "hello", 0)
	for _, key := range []*rsa.PrivateKey{key2048(), key3072(), key4096()} {
		msg, err := newOpener(t, key).Open(nil, "t", value)
		if err != nil || string(msg.Plaintext) != "hello" || msg.KeyID != envelope.KeyID(&key.PublicKey) || len(msg.Needs) != 3 {
			t.Errorf("%d bits: %v, %v", key.N.BitLen(), msg, err)
		}
	}
	msg, err := newOpener(t, newKey(2048)).Open(nil, "t", value)
	if !errors.Is(err, envelope.ErrUnknownKey) || len(msg.Needs) != 3 || msg.Plaintext != nil {
		t.Errorf("a stranger: %v, %v", msg, err)
	}
	if msg, err := newOpener(t).Open(nil, "t", value); !errors.Is(err, envelope.ErrNoKey) || len(msg.Needs) != 3 {
		t.Errorf("no key: %v, %v", msg, err)
	}
}

// Without this, a record could be copied into another topic and read there.
func TestOtherTopicDoesNotOpen(t *testing.T) {
	for _, format := range nativeFormats {
		value := testSealer{format: format}.seal(t, "hello", 0)
		for name, opener := range map[string]*envelope.Opener{"with its key": newOpener(t, key2048()), "without a key": newOpener(t)} {
			if msg, err := opener.Open(nil, "u", value); !errors.Is(err, envelope.ErrUndecryptable) || msg.Plaintext != nil {
				t.Errorf("%s, %s: %v, %v", format, name, msg, err)
			}
		}
	}
}

// Without this, a forged record could carry the name of a trusted sender.
func TestSender(t *testing.T) {
	alice, mallory := signingKey(1), signingKey(2)
	trust := []envelope.TrustedSender{{Name: "alice", Key: public(alice)}, {Name: "broken", Key: []byte("short")}}
	id := envelope.SigningKeyID(public(alice))
	for _, c := range []struct {
		name    string
		signing ed25519.PrivateKey
		trust   []envelope.TrustedSender
		want    envelope.Sender
	}{
		{"unsigned", nil, trust, envelope.Sender{State: envelope.SenderUnverified, Reason: envelope.ReasonUnsigned}},
		{"nobody trusted", alice, nil, envelope.Sender{State: envelope.SenderUnverified, KeyID: id, Reason: envelope.ReasonNobodyTrusted}},
		{"unknown", mallory, trust, envelope.Sender{State: envelope.SenderUntrusted, KeyID: envelope.SigningKeyID(public(mallory)), Reason: envelope.ReasonUnknownSigner}},
		{"verified", alice, trust, envelope.Sender{State: envelope.SenderVerified, Name: "alice", KeyID: id}},
	} {
		for _, format := range nativeFormats {
			value := testSealer{format: format, signing: c.signing}.seal(t, "hello", 0)
			opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: c.trust})
			if msg, err := opener.Open(nil, "t", value); !errors.Is(err, envelope.ErrNoKey) || msg.Sender != (envelope.Sender{State: envelope.SenderUnchecked}) {
				t.Errorf("%s, %s: before it was opened: %v, %+v", format, c.name, err, msg.Sender)
			}
			if err := opener.SetKeys(key2048()); err != nil {
				t.Fatal(err)
			}
			if msg, err := opener.Open(nil, "t", value); err != nil || msg.Sender != c.want {
				t.Errorf("%s, %s: %v, %+v, want %+v", format, c.name, err, msg.Sender, c.want)
			}
			value[len(value)-1] ^= 0x40
			if msg, err := opener.Open(nil, "t", value); err == nil || msg.Sender != (envelope.Sender{State: envelope.SenderUnchecked}) {
				t.Errorf("%s, %s: a copied prefix: %v, %+v", format, c.name, err, msg.Sender)
			}
		}
	}
}

// Without this, a key that arrives while records are read could break the reader.
func TestKeysChangeWhileOpening(t *testing.T) {
	value := seal(t, key2048(), "hello")
	opener := newOpener(t)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 20 {
				msg, err := opener.Open(nil, "t", value)
				if err == nil && string(msg.Plaintext) == "hello" || errors.Is(err, envelope.ErrNoKey) {
					continue
				}
				t.Error(err)
			}
		})
	}
	for range 20 {
		if err := opener.SetKeys(key2048()); err != nil {
			t.Error(err)
		}
		if err := opener.SetKeys(); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
}

// Without this, one bad key would cost the good ones, or would show only at the first
// record.
func TestSetKeysIsAllOrNothing(t *testing.T) {
	opener := newOpener(t, key2048(), key3072())
	public := key2048().PublicKey
	for name, bad := range map[string]*rsa.PrivateKey{
		"nil":                nil,
		"zero":               {},
		"only public":        {PublicKey: public},
		"nil primes":         {PublicKey: public, D: key2048().D, Primes: newPrimes(2)},
		"three primes":       {PublicKey: public, D: key2048().D, Primes: newPrimes(3)},
		"no exponent":        {PublicKey: public, Primes: key2048().Primes},
		"mixed keys":         {PublicKey: key3072().PublicKey, D: key2048().D, Primes: key2048().Primes},
		"1024 bits":          smallKey(),
		"mixed, precomputed": {PublicKey: key3072().PublicKey, D: key2048().D, Primes: key2048().Primes, Precomputed: key2048().Precomputed},
	} {
		if err := opener.SetKeys(key4096(), bad); err == nil || !strings.Contains(err.Error(), "key 2 of 2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := []string{envelope.KeyID(&key2048().PublicKey), envelope.KeyID(&key3072().PublicKey)}
	if got := opener.KeyIDs(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("holds %v, want %v", got, want)
	}
	bare := &rsa.PrivateKey{PublicKey: public, D: key2048().D, Primes: key2048().Primes}
	if err := opener.SetKeys(bare); err != nil || bare.Precomputed.Dp != nil {
		t.Errorf("a key without precomputed values: %v, written to: %t", err, bare.Precomputed.Dp != nil)
	}
	if _, err := opener.Open(nil, "t", seal(t, key2048(), "hello")); err != nil {
		t.Error(err)
	}
}

// Without this, long values that are not encrypted would cost memory.
func TestPlainValuesAllocateNothing(t *testing.T) {
	opener := newOpener(t, key2048())
	for name, value := range map[string][]byte{
		"text":        bytes.Repeat([]byte("a b "), 1<<18),
		"long base64": bytes.Repeat([]byte("abcd"), 1<<18),
		"word":        []byte("hello"),
		"null":        nil,
	} {
		if got := testing.AllocsPerRun(100, func() { _, _ = opener.Open(nil, "t", value) }); got != 0 { //nolint:errcheck // only the memory counts here
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

// Without this, concurrent readers could get a wrong result while keys come and go.
func TestOpenIsSafeForConcurrentUse(t *testing.T) {
	var values [][]byte
	for _, format := range nativeFormats {
		sealer := testSealer{format: format, limits: envelope.Limits{Records: 2}}.sealer(t)
		for range 40 {
			values = append(values, mustSeal(t, sealer, "hello", 0))
		}
	}
	opener := newOpener(t, key2048())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 3 {
				for _, value := range values {
					msg, err := opener.Open(nil, "t", value)
					if err == nil && string(msg.Plaintext) == "hello" || errors.Is(err, envelope.ErrUnknownKey) {
						continue
					}
					t.Errorf("%+v, %v", msg, err)
				}
			}
		})
	}
	for range 5 {
		for _, key := range []*rsa.PrivateKey{key3072(), key2048()} {
			if err := opener.SetKeys(key); err != nil {
				t.Error(err)
			}
		}
	}
	readers.Wait()
}
