// Package envelope seals messages into encrypted records with a public key, and opens
// them with the private one. Use it to send messages through a broker that must not be
// able to read them. It does not depend on Kafka and uses only the standard library.
// SPEC.md, beside it, specifies the formats.
//
// A writer makes one sealer for a topic and seals every message for the partition that
// it will be written to:
//
//	keys, err := envelope.ParsePublicKeys(pemText)
//	sealer, err := envelope.NewSealer(envelope.SealerConfig{
//		Format: envelope.FormatEnvelope, Topic: "t", Readers: keys,
//	})
//	value, err := sealer.Seal(nil, []byte("Msg 1: hello"), partition)
//
// A reader opens records from the start, and gets its keys when they arrive:
//
//	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: senders})
//	msg, err := opener.Open(nil, "t", value) // errors.Is(err, envelope.ErrNoKey)
//	err = opener.SetKeys(private)
//	msg, err = opener.Open(nil, "t", value) // msg.Plaintext, msg.Sender
//
// [Requirements] make an opener reject records of other formats, senders or readers.
//
// A header takes 600 bytes and more in each record. With a [HeaderPolicy] most records are
// lean, 46 bytes longer than the message, and open with the header of an earlier record. A
// reader that starts in between gets [ErrNeedsHeader]; [Opener.FindHeaders] reads back.
//
// The package replay follows the counters and times of opened records: it flags repeats,
// gaps and moves, and rejects stale records.
//
// # What it does not protect
//
// In every format:
//
//   - That a record exists, when it was written, how long it is (in the format rsa: at
//     most how long), and the broker's own key, headers and timestamp.
//   - Against the last records being withheld: nothing later shows the gap.
//   - Past records, once somebody gets the private key: there is no forward secrecy.
//     The plaintext is in this process's memory, which the garbage collector does not
//     wipe.
//   - Who sealed a record, without a signing key: anyone with the public key can. With
//     a signing key, a holder of the private key still could.
//
// In the format rsa also:
//
//   - The topic, partition and offset of a record: it can be copied, moved, repeated or
//     left out unnoticed.
//   - An altered record shows only as "undecryptable", like a record for another key.
package envelope

import (
	"errors"
	"time"
)

// Format names the layout of a record's value. The zero value is not a format.
type Format string

const (
	// FormatRSA is standard base64 with padding (RFC 4648, section 4) of
	// RSAES-OAEP (RFC 8017, section 7.1) with SHA-256 as the hash and in MGF1,
	// and an empty label, over the whole message. The modulus has 256, 384 or
	// 512 bytes, so that readers recognize a record by its length.
	FormatRSA Format = "rsa"
	// FormatEnvelope is binary, for 1 to 16 readers; SPEC.md, section 5.
	FormatEnvelope Format = "envelope"
	// FormatJWE is the same as standard text, for one reader: the Compact
	// Serialization of RFC 7516, section 7.1; SPEC.md, section 6.
	FormatJWE Format = "jwe"
)

// Errors of Open, Seal and Convert, for use with [errors.Is].
var (
	// ErrNotEncrypted means that the value does not look encrypted.
	ErrNotEncrypted = errors.New("not encrypted")
	// ErrMalformed means that the value looks encrypted, but its structure is broken,
	// or it uses a feature that is not accepted. In the latter case the error also
	// matches [ErrUnsupported].
	ErrMalformed = errors.New("malformed record")
	// ErrNoKey means that the record is encrypted, and the opener holds no key.
	ErrNoKey = errors.New("no key")
	// ErrUnknownKey means that the record names the keys that open it, and the opener
	// holds none of them. The format rsa names no key and never gives this error.
	ErrUnknownKey = errors.New("unknown key")
	// ErrUndecryptable means that no key held opens the record: it was altered, copied
	// from another topic, or sealed for another key. The format rsa cannot distinguish
	// these cases, and the other formats deliberately do not.
	ErrUndecryptable = errors.New("undecryptable record")
	// ErrTooLong means that the message is longer than one record holds.
	ErrTooLong = errors.New("message too long")
)

// Message is an opened record. If Open returns an error, Format and Needs are set as
// far as they were recognized, the sender is unchecked, and the rest is zero.
type Message struct {
	Format    Format
	Plaintext []byte   // dst with the message appended
	KeyID     string   // of the key that opened the record, see [KeyID]
	Needs     []string // ids of the keys that the record names, at most 16; shared, read-only
	// OtherReaders are those of Needs that the opener does not hold and never held:
	// somebody else can read the record, too. Shared, read-only.
	OtherReaders []string
	Sender       Sender
	DataKey      string // public name of the data key; "" if records share none
	Partition    int32  // that the record was sealed for, if Counted
	Counter      uint64 // under its data key and partition, from 0, if Counted
	Counted      bool   // the record has a counter, which the package replay follows
	Bound        bool   // the record names its topic, so it opens in no other
	// IssuedAt is when the writer first used the data key, and Expires is until when
	// the records of the data key may arrive; zero if records share none. They prove
	// nothing unless the sender is verified.
	IssuedAt, Expires time.Time
}
