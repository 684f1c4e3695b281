// Package reader opens the records of a topic in one call: it decrypts them, rejects what
// the requirements do not allow, finds the headers of lean records, and follows the
// sequence. It joins an [envelope.Opener] and a [replay.Tracker], which are there for
// programs that need more.
//
//	r, err := reader.New(reader.Config{Topic: "t", TrustedSenders: senders, Require: requirements})
//	err = r.SetKeys(private)
//	msg, err := r.Open(reader.Record{Partition: 0, Offset: 7, Value: value})
//
// An error is about one record, and no reason to stop: read on. What the two packages do
// not protect, this one does not either.
package reader

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// Config configures a reader.
type Config struct {
	// Topic is the topic that the records were sealed for.
	Topic string
	// TrustedSenders and Require are those of [envelope.OpenerConfig]. The zero value
	// requires nothing.
	TrustedSenders []envelope.TrustedSender
	Require        envelope.Requirements
	// Mirror means that another program copies the records from Topic into the topic that
	// is read; see [replay.Config].
	Mirror bool
	// ReadBack returns the values of a partition's records as [envelope.HeaderSearch]
	// describes it. Without it, a lean record opens only if its header was read before.
	ReadBack func(partition int32, from, to int64) iter.Seq2[[]byte, error]
}

// Record is one record as the log holds it.
type Record struct {
	Partition int32
	Offset    int64
	Value     []byte
	// AppendedAfter may be zero; see [replay.Position].
	AppendedAfter time.Time
}

// Message is an opened record.
type Message struct {
	envelope.Message
	Flags replay.Flags // what is unusual about it
}

// Reader opens the records of one topic. It is safe for concurrent use, but gives true
// flags only if the records of each partition come in the order of their offsets. The
// zero value opens nothing.
type Reader struct {
	topic    string
	opener   *envelope.Opener
	tracker  *replay.Tracker
	readBack func(partition int32, from, to int64) iter.Seq2[[]byte, error]

	mu         sync.Mutex
	partitions map[int32]*partition
}

// New checks the configuration. The reader holds no key yet.
func New(cfg Config) (*Reader, error) {
	open := envelope.OpenerConfig{TrustedSenders: cfg.TrustedSenders, Require: cfg.Require}
	if err := open.Validate(); err != nil {
		return nil, fmt.Errorf("making a reader: %w", err)
	}
	if cfg.Topic == "" {
		return nil, errors.New("making a reader: the topic is empty")
	}
	return &Reader{
		topic: cfg.Topic, opener: envelope.NewOpener(open), tracker: replay.NewTracker(replay.Config{Require: cfg.Require, Mirror: cfg.Mirror}),
		readBack: cfg.ReadBack, partitions: make(map[int32]*partition),
	}, nil
}

var errZero = errors.New("the reader was not made with reader.New")

// SetKeys replaces all keys; see [envelope.Opener.SetKeys]. To rotate keys, set the old
// and the new ones together.
func (r *Reader) SetKeys(keys ...*rsa.PrivateKey) error {
	if r.opener == nil {
		return errZero
	}
	return r.opener.SetKeys(keys...)
}

// Opener returns the opener that the reader uses. It is nil if the reader is a zero value.
func (r *Reader) Opener() *envelope.Opener { return r.opener }

// Tracker returns the tracker that the reader uses, to tell it that older records were
// loaded or that the topic was recreated. It is nil if the reader is a zero value.
func (r *Reader) Tracker() *replay.Tracker { return r.tracker }

// Open opens one record and follows it. The errors are those of [envelope.Opener.Open]
// and [replay.Tracker.Follow], among them an [*envelope.RejectedError] for a record that
// does not satisfy the requirements. With an error there is no plaintext.
//
// A lean record whose header was not read before may make it read back, with
// [Config.ReadBack]: up to 262,144 records or 256 MiB in all before the place in a partition
// where reading began, which anybody who can write a made-up name can cause, once each time
// reading begins. If the header is not found, the error matches both
// [envelope.ErrNeedsHeader] and that of [envelope.Opener.FindHeaders].
func (r *Reader) Open(rec Record) (Message, error) {
	result := r.OpenBatch([]Record{rec})[0]
	return result.Message, result.Err
}

// Result is what became of one record of a batch. If Err is not nil, the message has no
// plaintext.
type Result struct {
	Message
	Err error
}

// OpenBatch opens and follows records, which may be of several partitions. The results
// have the order of the records. In contrast to calls of Open, lean records also open if
// their header stands in a later record of the batch.
func (r *Reader) OpenBatch(records []Record) []Result {
	results := make([]Result, len(records))
	if r.opener == nil {
		for i := range results {
			results[i].Err = errZero
		}
		return results
	}
	for i, rec := range records {
		r.begin(rec)
		r.open(rec, &results[i])
	}
	r.openWaiting(records, results)
	for i, rec := range records {
		result := &results[i]
		if result.Err == nil {
			result.Flags, result.Err = r.tracker.Follow(&result.Message.Message, replay.Position{
				Partition: rec.Partition, Offset: rec.Offset, AppendedAfter: rec.AppendedAfter,
			})
		}
	}
	return results
}

func (r *Reader) open(rec Record, result *Result) {
	result.Message.Message, result.Err = r.opener.Open(nil, r.topic, rec.Value)
}
