// Package envelope is the format of an encrypted record: seal with a public
// key, open with the private one. It is for programs that send messages
// through a broker that must not read them. It knows nothing of Kafka and uses
// the standard library only.
//
// The writer parses the reader's public key once and seals every message:
//
//	keys, err := envelope.ParsePublicKeys(pemText)
//	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatRSA, Topic: "t", Readers: keys})
//	value, err := sealer.Seal(nil, []byte("Msg 1: hello"), 0)
//
// The reader opens records from the start, and is given keys when they arrive:
//
//	opener := envelope.NewOpener(envelope.OpenerConfig{})
//	msg, err := opener.Open(nil, "t", value) // errors.Is(err, envelope.ErrNoKey)
//	err = opener.SetKeys(private)
//	msg, err = opener.Open(nil, "t", value) // msg.Plaintext
//
// # What it does not protect
//
// In the format rsa:
//
//   - Nothing proves who sealed a record: anyone with the public key can.
//   - Nothing binds a record to its topic, partition or offset: it can be
//     copied, moved, repeated or left out unseen.
//   - That a record was altered shows only as "undecryptable", the same as a
//     record for another key.
//   - The size of the reader's key, the number of messages and their times are
//     visible. The length of a message is not, but that it fits one record is.
//   - Whoever gets the private key reads all past records: there is no forward
//     secrecy.
//
// In every format the plaintext is in this process's memory, which the garbage
// collector does not wipe.
package envelope

import "errors"

// Format names how a record's value is laid out. The zero value is no format.
type Format string

// FormatRSA is standard base64 with padding (RFC 4648, section 4) of
// RSAES-OAEP (RFC 8017, section 7.1) with SHA-256 as the hash and in MGF1, and
// an empty label, over the whole message. The modulus has 256, 384 or 512
// bytes, so that a record can be told by its length.
const FormatRSA Format = "rsa"

// What Open and Seal tell about a record, for use with [errors.Is].
var (
	// ErrNotEncrypted means that the value does not look encrypted at all.
	ErrNotEncrypted = errors.New("not encrypted")
	// ErrMalformed means that it looks encrypted, but its structure is broken.
	ErrMalformed = errors.New("malformed record")
	// ErrNoKey means that it is encrypted, and the opener holds no key at all.
	ErrNoKey = errors.New("no key")
	// ErrUnknownKey means that it names the keys that open it, and the opener
	// holds none of them. The format rsa names none and never gives it.
	ErrUnknownKey = errors.New("unknown key")
	// ErrUndecryptable means that no key held opens it: it is for another key,
	// or was altered. The format rsa cannot tell which.
	ErrUndecryptable = errors.New("undecryptable record")
	// ErrTooLong means that the message is longer than one record holds.
	ErrTooLong = errors.New("message too long")
)

// Message is what Open found. With an error, Format and Needs are filled as far
// as they were recognized, and the rest is zero.
type Message struct {
	Format    Format
	Plaintext []byte   // dst with the message appended
	KeyID     string   // of the key that opened it, see [KeyID]
	Needs     []string // ids of the keys that the record names; none in the format rsa
}
