package web

import "time"

// State is what is true of one record.
type State string

// The states of a record.
const (
	StateDecrypted     State = "decrypted"     // opened in this process
	StateNoKey         State = "no_key"        // encrypted; there is no key yet
	StateUnknownKey    State = "unknown_key"   // names a key that is not held
	StateUndecryptable State = "undecryptable" // encrypted, and no key held opens it
	StateMalformed     State = "malformed"     // looks encrypted, but is broken
	StateOversized     State = "oversized"     // a compressed batch that has no room here, unpacked
	StatePlain         State = "plain"         // not encrypted
)

// Record is one record of a topic. It is not changed once it is in the feed:
// what becomes of it later is another Record.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	From      int64 // the first offset of the batch that it stands for; only where State is StateOversized
	Timestamp time.Time
	Key       []byte
	Headers   []Header
	Wire      []byte // the value as it is in Kafka; nil for a null value
	State     State
	Value     []byte   // the message; only where State is StateDecrypted
	KeyID     string   // the key that opened it (RFC 7638)
	Needs     []string // the keys that the record names, where it names any
	Holds     []string // the keys that are held, where none opened it
	Format    string   // how it is encrypted, as far as it was recognized
	Sender    Sender
	Flags     Flags
	DataKey   string // public name of the data key that it shares with others, if it does
	Counter   uint64 // its number under that data key and partition
}

// Header is one header of a record. Nothing encrypts it.
type Header struct {
	Key   string
	Value []byte // nil for a null value
}

// headerCost is what a header takes in memory beside its bytes.
const headerCost = 40

// SenderState is what is known of who wrote a record.
type SenderState string

// The states of a sender. Only a record that was opened has another one than the first.
const (
	SenderUnchecked  SenderState = "unchecked"
	SenderUnverified SenderState = "unverified" // not signed, or nobody is trusted to sign
	SenderUntrusted  SenderState = "untrusted"  // signed, but not by anybody trusted
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

// Sender is who wrote a record. The zero value is unchecked.
type Sender struct {
	State  SenderState
	Name   string       // where it is verified
	KeyID  string       // of the signing key that the record names
	Reason SenderReason // where it is unverified or untrusted
}

// Flags are what is remarkable about an opened record's way. The zero value is nothing.
type Flags struct {
	Repeat    bool
	First     int64  // the offset of the same record, or -1 if it is not remembered
	Missing   uint64 // records before this one that were not seen
	Late      bool   // came after records that were sealed later
	Moved     bool
	SealedFor int32 // the partition that it was moved from
	Unbound   bool  // names no topic, though its format could
}

// shown is what there is to see of the record: the message, else the bytes in Kafka.
func (r *Record) shown() []byte {
	if r.State == StateDecrypted {
		return r.Value
	}
	return r.Wire
}

// position is where a record stands in Kafka.
type position struct {
	topic     string
	partition int32
	offset    int64
}

func (r *Record) position() position { return position{r.Topic, r.Partition, r.Offset} }

// size is what the feed counts for a record, in bytes.
func (r *Record) size() int {
	size := len(r.Wire) + len(r.Value) + len(r.Key)
	for _, h := range r.Headers {
		size += headerCost + len(h.Key) + len(h.Value)
	}
	return size
}
