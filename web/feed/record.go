package feed

import (
	"bytes"
	"slices"
	"time"
)

// State is the result of decrypting a record.
type State string

// The states of a record.
const (
	StateDecrypted     State = "decrypted"     // in this process
	StateNoKey         State = "no_key"        // encrypted, and no key is here yet
	StateUnknownKey    State = "unknown_key"   // encrypted for a key that is not here
	StateNeedsHeader   State = "needs_header"  // encrypted, and names a header that is not known here yet
	StateUndecryptable State = "undecryptable" // encrypted, and no key here decrypts it
	StateMalformed     State = "malformed"     // looks encrypted, but is broken
	StateOversized     State = "oversized"     // a compressed batch that would be too large unpacked
	StateDamaged       State = "damaged"       // a compressed batch that cannot be unpacked
	StatePlain         State = "plain"         // not encrypted
	StateTombstone     State = "tombstone"     // no value: it deletes what has its key
	StateRejected      State = "rejected"      // the settings exclude it, so nothing of its content is shown
)

// States returns all states, in the order in which the page offers them.
func States() []State {
	return []State{StateDecrypted, StateNoKey, StateUnknownKey, StateNeedsHeader, StateUndecryptable, StateMalformed, StateOversized, StateDamaged, StatePlain, StateTombstone, StateRejected}
}

// IsBatch reports whether a record in this state stands for a whole batch that was not unpacked, and has no value.
func (s State) IsBatch() bool { return s == StateOversized || s == StateDamaged }

// Record is one record of a topic. It does not change after it was appended: another Record replaces it.
type Record struct {
	Topic         string
	TopicID       [16]byte // Kafka's id of the topic (KIP-516), which differs for a recreated topic; zero if unknown
	Partition     int32
	Offset        int64
	First         int64     // offset of the batch that it stands for, only if State.IsBatch
	Timestamp     time.Time // before 1970, as the zero time is: none
	Key           []byte
	Headers       []Header
	Stored        []byte // the value in Kafka; nil if it is null, as in StateTombstone
	State         State
	Value         []byte      // the message, only in StateDecrypted
	KeyID         string      // of the key that decrypted it (RFC 7638)
	NeededKeys    []string    // ids of the keys that the record names, if any
	HeldKeys      []string    // ids of the keys that are here, if none decrypts it
	Unsupported   Unsupported // why a whole JWE is not accepted, only in StateMalformed
	Format        string      // of the encryption, as far as it is known
	Sender        Sender
	Flags         Flags
	DataKey       DataKey   // that many records share, if there is one
	AppendedAfter time.Time // the record was certainly appended after this time; zero if unknown

	// HeaderMissing means that the header was looked for in the earlier records, and is not known. Only in StateNeedsHeader.
	HeaderMissing bool
	// Prefix is what Stored lacks and a later key needs: the header of a lean record that is not decrypted. Records share it.
	Prefix string

	OtherReaders []string  // ids of keys that open it as well and are not held here, unless the settings allow them
	Rejection    Rejection // only in StateRejected
	Withheld     *Withheld // what is needed to judge it again, only in StateRejected
}

// DataKey is what a record says of its data key. The zero value is none.
type DataKey struct {
	ID                string    // public name
	SealedFor         int32     // the partition that the record was sealed for
	Counter           uint64    // of the records for that partition
	IssuedAt, Expires time.Time // when it was first used, and until when its records may arrive
}

// Rejection is why a record is rejected. The zero value is none.
type Rejection struct {
	Reason RejectReason
	Sender SenderReason // why the sender is not accepted, only for RejectSender; empty for a trusted sender who is not required
	KeyIDs []string     // the signing key or the readers that are not accepted, if the record names them
}

// RejectReason says which setting excludes a record.
type RejectReason string

// The reasons.
const (
	RejectPlain  RejectReason = "plain"  // not encrypted
	RejectFormat RejectReason = "format" // looks encrypted, in a format that is not accepted: it was not opened
	RejectSender RejectReason = "sender" // not from a required sender
	RejectReader RejectReason = "reader" // others can read it
	RejectStale  RejectReason = "stale"  // its data key had expired when it was appended
)

// RejectReasons returns all reasons.
func RejectReasons() []RejectReason {
	return []RejectReason{RejectPlain, RejectFormat, RejectSender, RejectReader, RejectStale}
}

// Withheld are the bytes of a rejected record. They are apart from those of other records, so that nothing shows them.
type Withheld struct {
	Key, Stored []byte
	Headers     []Header
}

// Unsupported is a feature of a JWE that is not accepted. The zero value is none.
type Unsupported struct {
	Reason   UnsupportedReason
	Alg, Enc string // as the record names them; empty if they are not safe to show
}

// UnsupportedReason says which feature it is.
type UnsupportedReason string

// The reasons.
const (
	UnsupportedAlgorithm     UnsupportedReason = "algorithm"     // Alg and Enc
	UnsupportedExtension     UnsupportedReason = "extension"     // zip, crit or another header member
	UnsupportedSerialization UnsupportedReason = "serialization" // it is JSON
)

// Header is one header of a record. It is never encrypted.
type Header struct {
	Key   string
	Value []byte // nil for a null value
}

// headerCost is the memory that a header takes beside its bytes.
const headerCost = 40

// SenderState is what is known of the sender of a record.
type SenderState string

// The states of a sender. Without decryption it is always the first.
const (
	SenderUnchecked  SenderState = "unchecked"
	SenderUnverified SenderState = "unverified" // not signed, or no senders are trusted
	SenderUntrusted  SenderState = "untrusted"  // signed, but not by a trusted sender
	SenderVerified   SenderState = "verified"
)

// SenderReason says why a sender is not verified.
type SenderReason string

// The reasons.
const (
	SenderUnsigned      SenderReason = "unsigned"
	SenderNobodyTrusted SenderReason = "nobody_trusted"
	SenderUnknown       SenderReason = "unknown"
	SenderBadSignature  SenderReason = "bad_signature"
)

// SenderStates returns all states of a sender, in the order in which the page offers them.
func SenderStates() []SenderState {
	return []SenderState{SenderVerified, SenderUnverified, SenderUntrusted, SenderUnchecked}
}

// Sender is the sender of a record. The zero value is unchecked.
type Sender struct {
	State  SenderState
	Name   string       // if it is verified
	KeyID  string       // of the signing key that the record names
	Reason SenderReason // if it is unverified or untrusted
}

// Status returns the state of the sender, SenderUnchecked for the zero value.
func (s Sender) Status() SenderState {
	if s.State == "" {
		return SenderUnchecked
	}
	return s.State
}

// Flags tell how a decrypted record got here. The zero value is nothing unusual.
type Flags struct {
	Stale      bool // appended after its data key had expired
	Repeat     bool
	First      int64  // offset of the same record, or -1 if it is no longer known
	Missing    uint64 // records before this one
	Late       bool   // arrived after records that were encrypted later
	Unfollowed bool   // nobody here has read what stands before it, which is no warning
	Moved      bool   // from the partition that it was sealed for
	Unbound    bool   // not bound to a topic, though its format allows it
}

// Shown returns the message if the record is decrypted, else its bytes in Kafka.
func (r *Record) Shown() []byte {
	if r.State == StateDecrypted {
		return r.Value
	}
	return r.Stored
}

// Position is the position of a record in Kafka.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Position returns the record's position.
func (r *Record) Position() Position { return Position{r.Topic, r.Partition, r.Offset} }

// same reports whether two records at one position are the same. Kafka's id of the topic decides if both have it: a
// recreated topic has another id. Otherwise everything that a writer gives a record decides.
func (r *Record) same(other *Record) bool {
	if r.TopicID != [16]byte{} && other.TopicID != [16]byte{} {
		return r.TopicID == other.TopicID
	}
	return r.First == other.First && r.Timestamp.Equal(other.Timestamp) && sameBytes(r.Stored, other.Stored) && sameBytes(r.Key, other.Key) &&
		slices.EqualFunc(r.Headers, other.Headers, func(a, b Header) bool { return a.Key == b.Key && sameBytes(a.Value, b.Value) })
}

// sameBytes distinguishes null from empty.
func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// HasTime reports whether the record has a timestamp. Kafka writes -1 for none, and there is no time before 1970.
func (r *Record) HasTime() bool { return r.Timestamp.Unix() >= 0 }

// HasDate reports whether RFC 3339 can express the timestamp. A writer that counts microseconds is in the year 57883.
func (r *Record) HasDate() bool { return r.HasTime() && r.Timestamp.UTC().Year() <= 9999 }

// Size returns the record's size in bytes, as the feed counts it. A shared Prefix counts in each record, so that the others
// may be dropped.
func (r *Record) Size() int {
	size := len(r.Stored) + len(r.Value) + len(r.Key) + len(r.KeyID) + len(r.Sender.KeyID) + len(r.DataKey.ID) + len(r.Prefix)
	for _, ids := range [][]string{r.NeededKeys, r.OtherReaders, r.Rejection.KeyIDs} {
		for _, id := range ids {
			size += len(id)
		}
	}
	if r.Withheld != nil {
		size += len(r.Withheld.Stored) + len(r.Withheld.Key) + headersSize(r.Withheld.Headers)
	}
	return size + headersSize(r.Headers)
}

func headersSize(headers []Header) (size int) {
	for _, h := range headers {
		size += headerCost + len(h.Key) + len(h.Value)
	}
	return size
}
