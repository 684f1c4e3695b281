// Package envelope is the format of an encrypted record: seal with a public
// key, open with the private one. It is for programs that send messages
// through a broker that must not read them. It knows nothing of Kafka and uses
// the standard library only. SPEC.md, beside it, says what the bytes are.
//
// The writer makes one sealer for a topic and seals every message for the
// partition that it will be written to:
//
//	keys, err := envelope.ParsePublicKeys(pemText)
//	sealer, err := envelope.NewSealer(envelope.SealerConfig{
//		Format: envelope.FormatEnvelope, Topic: "t", Readers: keys,
//	})
//	value, err := sealer.Seal(nil, []byte("Msg 1: hello"), partition)
//
// The reader opens records from the start, and is given keys when they arrive:
//
//	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: senders})
//	msg, err := opener.Open(nil, "t", value) // errors.Is(err, envelope.ErrNoKey)
//	err = opener.SetKeys(private)
//	msg, err = opener.Open(nil, "t", value) // msg.Plaintext, msg.Sender
//
// A [Tracker] tells repeats, gaps and moves from the counters of opened records.
//
// # What it does not protect
//
// In every format:
//
//   - That there is a record, when, how long it is (in the format rsa: at most
//     how long), and the broker's own key, headers and timestamp.
//   - That the last records are withheld: nothing later shows the gap.
//   - Whoever gets the private key reads all past records: there is no forward
//     secrecy. The plaintext is in this process's memory, which the garbage
//     collector does not wipe.
//   - Without a signing key nothing proves who sealed a record: anyone with the
//     public key can. With one, a holder of the private key still could.
//
// In the format rsa also:
//
//   - Nothing binds a record to its topic, partition or offset: it can be
//     copied, moved, repeated or left out unseen.
//   - That a record was altered shows only as "undecryptable", the same as a
//     record for another key.
package envelope

import "errors"

// Format names how a record's value is laid out. The zero value is no format.
type Format string

const (
	// FormatRSA is standard base64 with padding (RFC 4648, section 4) of
	// RSAES-OAEP (RFC 8017, section 7.1) with SHA-256 as the hash and in MGF1,
	// and an empty label, over the whole message. The modulus has 256, 384 or
	// 512 bytes, so that a record can be told by its length.
	FormatRSA Format = "rsa"
	// FormatEnvelope is binary, for 1 to 16 readers; SPEC.md, section 5.
	FormatEnvelope Format = "envelope"
	// FormatJWE is the same as standard text, for one reader: the Compact
	// Serialization of RFC 7516, section 7.1; SPEC.md, section 6.
	FormatJWE Format = "jwe"
)

// What Open and Seal tell about a record, for use with [errors.Is].
var (
	// ErrNotEncrypted means that the value does not look encrypted at all.
	ErrNotEncrypted = errors.New("not encrypted")
	// ErrMalformed means that it looks encrypted, but its structure is broken,
	// or it asks for something that is not allowed, such as another algorithm.
	ErrMalformed = errors.New("malformed record")
	// ErrNoKey means that it is encrypted, and the opener holds no key at all.
	ErrNoKey = errors.New("no key")
	// ErrUnknownKey means that it names the keys that open it, and the opener
	// holds none of them. The format rsa names none and never gives it.
	ErrUnknownKey = errors.New("unknown key")
	// ErrUndecryptable means that no key held opens it: it was altered, or
	// copied from another topic, or is for another key. The format rsa cannot
	// tell which, and the others do not tell.
	ErrUndecryptable = errors.New("undecryptable record")
	// ErrTooLong means that the message is longer than one record holds.
	ErrTooLong = errors.New("message too long")
)

// Message is what Open found. With an error, Format and Needs are filled as far
// as they were recognized, the sender is unchecked, and the rest is zero.
type Message struct {
	Format    Format
	Plaintext []byte   // dst with the message appended
	KeyID     string   // of the key that opened it, see [KeyID]
	Needs     []string // ids of the keys that the record names, at most 16; shared, not to be written to
	Sender    Sender
	DataKey   string // public name of the data key; empty where records share none
	Partition int32  // that it was sealed for, if Counted
	Counter   uint64 // under its data key and partition, from 0, if Counted
	Counted   bool   // it takes part in what a [Tracker] follows
	Bound     bool   // it names the topic, so that it opens in no other
}
