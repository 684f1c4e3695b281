package producer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"kafka-e2ee/envelope"
)

// sealing seals with the public keys of the moment.
type sealing struct {
	cfg     Config
	room    int // most bytes of a record's value that Kafka takes
	metrics metrics
	log     *slog.Logger
	current atomic.Pointer[sealer]
	parcels sync.Pool
}

// sealer seals, and knows how long a message it can.
type sealer struct {
	*envelope.Sealer
	limit  int    // bytes of a message
	holder string // what sets the limit
	hint   string // what to do about a longer one
}

func newSealing(cfg Config, first *envelope.Sealer, room int, m metrics, log *slog.Logger) *sealing {
	s := &sealing{cfg: cfg, room: room, metrics: m, log: log}
	s.use(first)
	return s
}

func (s *sealing) use(with *envelope.Sealer) {
	next := &sealer{Sealer: with, limit: with.MaxPlaintext(), holder: holder(s.cfg.Format), hint: shorter(s.cfg.Format)}
	if fits := sort.Search(next.limit+1, func(n int) bool { return with.Size(n) > s.room }) - 1; fits < next.limit {
		next.limit, next.holder, next.hint = max(fits, 0), "this topic", "shorten it, or raise the topic's max.message.bytes"
	}
	s.current.Store(next)
}

// limit is the length of the longest message that can be sent now, in bytes.
func (s *sealing) limit() int { return s.current.Load().limit }

// size is how many bytes the record of a message will have.
func (s *sealing) size(msg message) int { return s.current.Load().Size(len(msg.text)) }

// seal makes the record of a message. It is sealed once: sending it again means sending these bytes again.
func (s *sealing) seal(msg message, partition int32) record {
	with := s.current.Load()
	if msg.tooLong || len(msg.text) > with.limit {
		return record{number: msg.number, err: fmt.Errorf("sealing message: longer than the %d bytes that %s holds; hint: %s", with.limit, with.holder, with.hint)}
	}
	p := newParcel(&s.parcels, with.Size(len(msg.text)))
	start := time.Now()
	value, err := with.Seal(p.value[:0], msg.text, partition)
	s.metrics.seal.Observe(time.Since(start).Seconds())
	if err != nil {
		return record{number: msg.number, err: err}
	}
	p.value = value
	return record{number: msg.number, partition: partition, parcel: p}
}

// lookEvery is how often PUBKEY_FILE is looked at. Watching it by other means fails where a mounted file is
// replaced through links, as Kubernetes does it.
const lookEvery = 2 * time.Second

// follow takes up new public keys when PUBKEY_FILE changes, until ctx ends. What cannot be used is logged once and
// tried again, since another file may be at fault; the keys before it stay in use: what is sealed is never sealed for
// nobody, or in a weaker format.
func (s *sealing) follow(ctx context.Context, seen []byte) {
	said := "" // the last complaint
	for clock := realClock(); clock.sleep(ctx, lookEvery); {
		text := s.cfg.keyFile()
		if bytes.Equal(text, seen) {
			said = ""
			continue
		}
		next, err := s.cfg.sealer()
		if err != nil {
			if said != err.Error() {
				s.log.ErrorContext(ctx, "public keys changed and cannot be used, sealing with the ones before", slog.Any("error", err))
			}
			said = err.Error()
			continue
		}
		s.use(next)
		seen = text
		s.log.InfoContext(ctx, "public keys changed, sealing with the new ones")
	}
}
