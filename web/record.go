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
	StatePlain         State = "plain"         // not encrypted
)

// Record is one record of a topic. It is not changed once it is in the feed:
// what becomes of it later is another Record.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Wire      []byte // the value as it is in Kafka; nil for a null value
	State     State
	Value     []byte   // the message; only where State is StateDecrypted
	KeyID     string   // the key that opened it (RFC 7638)
	Needs     []string // the keys that the record names, where it names any
	Holds     []string // the keys that are held, where none opened it
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
func (r *Record) size() int { return len(r.Wire) + len(r.Value) + len(r.Key) }
