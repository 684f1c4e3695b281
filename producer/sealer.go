package producer

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"kafka-e2ee/envelope"
)

// sealer seals messages with the current public keys, and only records that the topic accepts.
type sealer struct {
	cfg     Config
	metrics metrics
	keys    *keyFiles
	current atomic.Pointer[limitedSealer]

	compaction *compaction

	setMu sync.Mutex // held while current is replaced

	mu          sync.Mutex
	query       func() (maxValue int, err error) // asks Kafka for the topic's limit
	refreshedAt time.Time
	limitStale  atomic.Bool // Kafka refused a record that is within the limit
}

// limitedSealer seals messages up to a limit.
type limitedSealer struct {
	*envelope.Sealer
	maxValue  int    // bytes of a record's key and value that the topic takes
	limit     int    // bytes of a message without a key
	byTopic   bool   // the topic sets the limit, not the key or the format
	limitedBy string // for errors: "this key", "a record" or "this topic"
	hint      string // for errors
}

// refreshInterval limits how often messages over the limit cause a query.
const refreshInterval = time.Second

func newSealer(cfg Config, keys *keyFiles, maxValue int, query func() (int, error), m metrics) *sealer {
	s := &sealer{cfg: cfg, metrics: m, keys: keys, query: query, refreshedAt: time.Now(), compaction: newCompaction(cfg)}
	s.set(keys.sealer, maxValue)
	return s
}

func (s *sealer) setKeys(keys *envelope.Sealer) {
	s.setMu.Lock()
	defer s.setMu.Unlock()
	s.set(keys, s.current.Load().maxValue)
}

func (s *sealer) setLimit(maxValue int) {
	s.setMu.Lock()
	defer s.setMu.Unlock()
	if current := s.current.Load(); maxValue != current.maxValue {
		s.set(current.Sealer, maxValue)
	}
}

// set is called with setMu held, so that neither new keys nor a new limit are lost.
func (s *sealer) set(keys *envelope.Sealer, maxValue int) {
	next := &limitedSealer{Sealer: keys, maxValue: maxValue, limit: keys.MaxPlaintext()}
	next.limitedBy, next.hint = lengthLimit(s.cfg.Format)
	if longest := sort.Search(next.limit+1, func(n int) bool { return keys.Size(n) > maxValue }) - 1; longest < next.limit {
		next.limit, next.byTopic, next.limitedBy, next.hint = max(longest, 0), true, "this topic", "shorten it, or raise the topic's max.message.bytes"
	}
	s.current.Store(next)
}

// refreshLimit asks Kafka for the topic's limit, which somebody may have changed.
func (s *sealer) refreshLimit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.refreshedAt) < refreshInterval && !s.limitStale.Load() {
		return
	}
	maxValue, err := s.query()
	s.refreshedAt = time.Now()
	s.limitStale.Store(false)
	if err == nil {
		s.setLimit(maxValue)
	}
}

// reloadKeys seals with new keys if the key files have changed.
func (s *sealer) reloadKeys(ctx context.Context) { s.keys.reload(ctx, s.setKeys) }

// lineLimit is the lineLimit of readLines.
func (s *sealer) lineLimit(refresh bool) int {
	if refresh && s.current.Load().byTopic {
		s.refreshLimit()
	}
	return s.current.Load().limit + s.cfg.maxKeyPrefix()
}

// size returns the size of a message's record with its key, in bytes.
func (s *sealer) size(text, key []byte) int { return s.current.Load().Size(len(text)) + len(key) }

// accepts reports whether the message is within the limit.
func (s *limitedSealer) accepts(msg message) bool {
	return !msg.tooLong && len(msg.text) <= s.limit && s.Size(len(msg.text))+len(msg.key) <= s.maxValue
}

// admit returns why a message cannot be sealed, or nil. It asks Kafka for the topic's limit if that decides.
func (s *sealer) admit(msg message) error {
	if msg.err != nil {
		return fmt.Errorf("sealing message: %w", msg.err)
	}
	if s.limitStale.Load() {
		s.refreshLimit()
	}
	current := s.current.Load()
	if !current.accepts(msg) && (current.byTopic || len(msg.text) <= current.limit) {
		s.refreshLimit()
		current = s.current.Load()
	}
	return current.check(msg)
}

// check returns why a message is over the limit, or nil.
func (s *limitedSealer) check(msg message) error {
	if s.accepts(msg) {
		return nil
	}
	got := len(msg.text)
	if msg.tooLong {
		got = msg.size
	} else if got <= s.limit { // too long only with its key
		return errors.New("sealing message: longer, with its key, than this topic holds (hint: shorten it, or raise the topic's max.message.bytes)")
	}
	return fmt.Errorf("sealing message: %d bytes, longer than the %d bytes that %s holds (hint: %s)", got, s.limit, s.limitedBy, s.hint)
}

// seal appends the value of a message's record to dst.
func (s *sealer) seal(dst []byte, r *record) (value []byte, sealed envelope.Sealed, err error) {
	current := s.current.Load()
	if err := current.check(message{text: r.text, key: r.key}); err != nil { // keys and limit may have changed
		return dst, sealed, err
	}
	value, sealed, err = current.SealDated(dst, r.text, r.partition, s.compaction.mustBeFull(r.key != nil))
	s.compaction.sealed(sealed.Expires())
	return value, sealed, err
}

// stored notes that Kafka has stored a record: others may name the header in it.
func (s *sealer) stored(m *sentRecord) { s.current.Load().Stored(m.sealed, m.partition) }

// repeatHeader makes the next record of each partition contain the header, because the latest one may not have arrived.
func (s *sealer) repeatHeader() { s.current.Load().RepeatHeader() }

// newDataKey makes the next record the first one of a new data key.
func (s *sealer) newDataKey() error { return s.current.Load().NewDataKey() }
