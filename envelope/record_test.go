package envelope_test

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"testing"

	"kafka-e2ee/envelope"
)

// maker configures the sealer of a test; the zero value seals the format
// envelope for key2048 and the topic "t".
type maker struct {
	format  envelope.Format
	topic   string
	readers []*rsa.PrivateKey
	signing ed25519.PrivateKey
	limits  envelope.Limits
}

func (m maker) sealer(t testing.TB) *envelope.Sealer {
	t.Helper()
	cfg := envelope.SealerConfig{Format: m.format, Topic: m.topic, SigningKey: m.signing, Limits: m.limits}
	if m.format == "" {
		cfg.Format = envelope.FormatEnvelope
	}
	if m.topic == "" {
		cfg.Topic = "t"
	}
	if m.readers == nil {
		m.readers = []*rsa.PrivateKey{key2048()}
	}
	for _, reader := range m.readers {
		cfg.Readers = append(cfg.Readers, &reader.PublicKey)
	}
	sealer, err := envelope.NewSealer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func (m maker) seal(t testing.TB, message string, partition int32) []byte {
	t.Helper()
	return sealed(t, m.sealer(t), message, partition)
}

func sealed(t testing.TB, sealer *envelope.Sealer, message string, partition int32) []byte {
	t.Helper()
	value, err := sealer.Seal(nil, []byte(message), partition)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func signer(seed byte) ed25519.PrivateKey {
	raw := make([]byte, ed25519.SeedSize)
	raw[0] = seed
	return ed25519.NewKeyFromSeed(raw)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:])
}

var both = []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE}

// Without this a record could be lost, or be shown with counters, key or place
// that are not its own.
func TestSealOpenWithDataKeys(t *testing.T) {
	for _, format := range both {
		for _, signing := range []ed25519.PrivateKey{nil, signer(1)} {
			sealer := maker{format: format, signing: signing}.sealer(t)
			opener := newOpener(t, key3072(), key2048())
			dataKey := ""
			for i, size := range []int{0, 1, 2, 3, 100, 767, 768, 769, 1 << 20} {
				message := make([]byte, size)
				for j := range message {
					message[j] = byte(j * 7)
				}
				value := sealed(t, sealer, "kept"+string(message), 300)
				if got := sealer.Size(size + 4); got != len(value) {
					t.Errorf("%s: %d bytes make %d, foretold %d", format, size, len(value), got)
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

// Without this one of several readers would be shut out, or a stranger let in.
func TestEachReaderOpens(t *testing.T) {
	value := maker{readers: []*rsa.PrivateKey{key2048(), key3072(), key4096()}}.seal(t, "hello", 0)
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

// Without this a record could be copied into another topic and read there.
func TestOtherTopicDoesNotOpen(t *testing.T) {
	for _, format := range both {
		value := maker{format: format}.seal(t, "hello", 0)
		for name, opener := range map[string]*envelope.Opener{"with its key": newOpener(t, key2048()), "without a key": newOpener(t)} {
			if msg, err := opener.Open(nil, "u", value); !errors.Is(err, envelope.ErrUndecryptable) || msg.Plaintext != nil {
				t.Errorf("%s, %s: %v, %v", format, name, msg, err)
			}
		}
	}
}

// Without this a forged record could carry the name of somebody trusted.
func TestSender(t *testing.T) {
	alice, mallory := signer(1), signer(2)
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
		for _, format := range both {
			value := maker{format: format, signing: c.signing}.seal(t, "hello", 0)
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

// Without this a record could not be carried to standard tools and back.
func TestConvert(t *testing.T) {
	for _, readers := range [][]*rsa.PrivateKey{{key2048()}, {key2048(), key3072()}} {
		value := maker{readers: readers, signing: signer(1)}.seal(t, "hello", 7)
		text, err := envelope.Convert(value)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := newOpener(t, key2048()).Open(nil, "t", text)
		if err != nil || string(msg.Plaintext) != "hello" || msg.Format != envelope.FormatJWE || msg.Partition != 7 {
			t.Errorf("%d readers: %v, %v", len(readers), msg, err)
		}
		back, err := envelope.Convert(text)
		if err != nil || string(back) != string(value) {
			t.Errorf("%d readers: there and back is not the same: %v", len(readers), err)
		}
	}
}
