package envelope_test

import (
	"crypto/rsa"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// allowed tells in the simplest way whether a reader with requirements may open a record:
// it opens the record without requirements, and looks at the result.
func allowed(free *envelope.Opener, require envelope.Requirements, topic string, value []byte) bool {
	msg, err := free.Open(nil, topic, value)
	if err != nil {
		return false
	}
	if len(require.Formats) > 0 && !slices.Contains(require.Formats, msg.Format) {
		return false
	}
	if require.VerifiedSender && msg.Sender.State != envelope.SenderVerified {
		return false
	}
	if len(require.SenderIDs) > 0 && (msg.Sender.State != envelope.SenderVerified || !slices.Contains(require.SenderIDs, msg.Sender.KeyID)) {
		return false
	}
	if require.HeldReaders && msg.Counted {
		d, err := envelope.Describe(value)
		if err != nil {
			return false
		}
		for _, id := range d.Needs {
			if !slices.Contains(free.KeyIDs(), id) && !slices.Contains(require.ReaderIDs, id) {
				return false
			}
		}
	}
	return true
}

// FuzzRequirements checks that requirements let exactly those records through that the
// simplest evaluation allows. Each bit of choice is a requirement.
func FuzzRequirements(f *testing.F) {
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join("testdata/keys", name))
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	var keys []*rsa.PrivateKey
	for _, name := range []string{"reader.pem", "second.pem"} {
		key, err := envelope.ParsePrivateKey(read(name))
		if err != nil {
			f.Fatal(err)
		}
		keys = append(keys, key)
	}
	senders, err := envelope.ParseTrustedSenders(read("trusted_two.pem"))
	if err != nil {
		f.Fatal(err)
	}
	type pair struct{ free, strict *envelope.Opener }
	openers := make(map[byte]pair)
	requirements := func(choice byte) (require envelope.Requirements) {
		for bit, format := range []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE} {
			if choice>>bit&1 == 1 {
				require.Formats = append(require.Formats, format)
			}
		}
		require.VerifiedSender, require.HeldReaders = choice>>2&1 == 1, choice>>3&1 == 1
		if choice>>4&1 == 1 {
			require.SenderIDs = []string{envelope.SigningKeyID(senders[1].Key)}
		}
		if choice>>5&1 == 1 {
			require.HeldReaders, require.ReaderIDs = true, []string{envelope.KeyID(&keys[1].PublicKey)}
		}
		return require
	}
	for choice := range byte(64) {
		both := pair{envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: senders}), envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: senders, Require: requirements(choice)})}
		for _, opener := range []*envelope.Opener{both.free, both.strict} {
			if err := opener.SetKeys(keys[0]); err != nil {
				f.Fatal(err)
			}
		}
		openers[choice] = both
	}
	for name, record := range vectorRecords(f) {
		for _, choice := range []byte{0x01, 0x04, 0x08, 0x10, 0x20, 0x2F} {
			if choice == 0x2F || strings.HasPrefix(name, "envelope") || strings.Contains(name, "re") {
				f.Add(record, "t", choice)
			}
		}
	}
	f.Fuzz(func(t *testing.T, value []byte, topic string, choice byte) {
		choice %= 64
		both, require := openers[choice], requirements(choice)
		want := allowed(both.free, require, topic, value)
		msg, err := both.strict.Open(nil, topic, value)
		if (err == nil) != want || err != nil && (msg.Plaintext != nil || msg.Sender.State != envelope.SenderUnchecked) {
			t.Errorf("%+v: got %+v, %v, want that it opens: %t", require, msg, err, want)
		}
	})
}
