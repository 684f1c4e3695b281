package replay_test

import (
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// sighting is a record that the model has followed.
type sighting struct {
	envelope.Message
	offset int64
	topic  int // the number of the topic among those of the same name
	run    int // increases when another member may have read
}

// model is a naive tracker of one partition, 0. It forgets nothing and looks at
// everything for each record.
type model struct {
	seen       []sighting
	topic, run int
	since      time.Time
}

func (m *model) follow(msg envelope.Message, pos replay.Position) (want replay.Flags) {
	const skew = 5 * time.Minute
	verified, moved := msg.Sender.State == envelope.SenderVerified, msg.Partition != 0
	if moved {
		want.Moved, want.SealedFor = true, msg.Partition
	}
	if !pos.AppendedAfter.IsZero() && pos.AppendedAfter.Sub(msg.Expires) > skew {
		want.Stale = true
	}
	var sameKey []sighting
	for _, s := range m.seen {
		if s.DataKey == msg.DataKey && s.Partition == msg.Partition {
			sameKey = append(sameKey, s)
		}
		dates := s.Sender.State == envelope.SenderVerified && s.Partition == 0
		if verified && dates && s.Sender.Name == msg.Sender.Name && (s.topic < m.topic || s.offset < pos.Offset) && s.IssuedAt.Sub(msg.Expires) > skew {
			want.Stale = true
		}
	}
	if len(sameKey) == 0 && want.Stale {
		return want // not followed
	}
	counters := make(map[uint64]sighting)
	var highest sighting
	for _, s := range sameKey {
		if _, seen := counters[s.Counter]; !seen {
			counters[s.Counter] = s
		}
		if s.Counter > highest.Counter || highest.DataKey == "" {
			highest = s
		}
	}
	first, seen := counters[msg.Counter]
	switch {
	case seen:
		want.Repeat, want.First = true, first.offset
		if first.topic < m.topic {
			want.First = -1
		}
	case len(sameKey) == 0:
		switch after := msg.IssuedAt.Sub(m.since) > skew; {
		case !verified || moved:
		case after:
			want.Missing = msg.Counter
		default:
			want.Unfollowed = msg.Counter > 0
		}
	case msg.Counter < highest.Counter:
		want.Late = true
	default:
		want.Missing = msg.Counter - highest.Counter - 1
		if want.Missing > 0 && highest.run < m.run {
			want.Missing, want.Unfollowed = 0, true
		}
	}
	m.seen = append(m.seen, sighting{Message: msg, offset: pos.Offset, topic: m.topic, run: m.run})
	return want
}

// FuzzTracker compares with a model that forgets nothing, over records of a few data
// keys, hand-overs and recreated topics.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 2, 0, 2, 0, 9, 0, 5, 0, 5, 0, 0})
	f.Add([]byte{0, 0, 5, 0, 0x10, 0, 0xf0, 0, 0, 1, 0x11, 3, 0xf1, 0, 2, 7, 0, 0, 0xe0, 9, 0x20, 1, 0, 2})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 400 {
			return
		}
		r := newReader(replay.Config{}, noon)
		m := &model{}
		offset, revoked := int64(0), false
		senders := [...]envelope.Sender{
			{State: envelope.SenderVerified, Name: "alice"},
			{State: envelope.SenderVerified, Name: "bob"},
			{State: envelope.SenderUnverified},
		}
		for ; len(steps) >= 2; steps = steps[2:] {
			op, value := steps[0], steps[1]
			switch {
			case op >= 0xf8:
				r.TopicRecreated()
				if revoked {
					m.run++
				}
				m.topic, m.since, offset, revoked = m.topic+1, time.Time{}, 0, len(m.seen) > 0
			case op >= 0xf0:
				r.PartitionRevoked(0)
				revoked = revoked || !m.since.IsZero()
			case op >= 0xe8:
				from := offset + int64(value&3)
				r.FollowFrom(0, from)
				if from > offset {
					m.run++
				}
				if from > offset || m.since.IsZero() {
					m.since = r.now
				}
				offset, revoked = from, false
			case op >= 0xe0:
				r.now = r.now.Add(time.Duration(value) * time.Minute)
			default:
				// The data keys of a sender are first used one hour apart.
				which, age := op%3, time.Duration(op/3%4)
				msg := envelope.Message{
					Format: envelope.FormatEnvelope, DataKey: string(rune('a' + op%12)), Counter: uint64(value % 16), Counted: true, Bound: true,
					Partition: int32(value >> 7), Sender: senders[which], IssuedAt: noon.Add(age * time.Hour),
				}
				msg.Expires = msg.IssuedAt.Add(75 * time.Minute)
				if limit := r.now.Add(5 * time.Minute); msg.IssuedAt.After(limit) {
					continue // the model does not know which times are ignored
				}
				pos := replay.Position{Offset: offset + int64(op>>6)}
				if value&0x40 != 0 {
					pos.AppendedAfter = r.now
				}
				following := offset // the offset behind the last record
				offset = pos.Offset + 1
				if away := revoked && pos.Offset > following; away || m.since.IsZero() {
					m.since = r.now
					if away {
						m.run++
					}
				}
				revoked = false
				got, want := mustFollow(r.Tracker, &msg, pos), m.follow(msg, pos)
				if got != want {
					t.Fatalf("counter %d of %s at offset %d: got %v, want %v", msg.Counter, msg.DataKey, pos.Offset, got, want)
				}
				if again := mustFollow(r.Tracker, &msg, pos); again.Repeat && !got.Repeat || again.Missing > 0 || again.Late || again.Stale != got.Stale {
					t.Fatalf("counter %d of %s, followed again: %v, at first %v", msg.Counter, msg.DataKey, again, got)
				}
			}
		}
		r.CountedBytes()
	})
}

// FuzzRewind compares what is followed again, after older records were loaded, with
// a tracker that follows all in order.
func FuzzRewind(f *testing.F) {
	f.Add([]byte{0, 1, 2, 2, 9, 5, 5, 0}, uint8(4))
	f.Add([]byte{0x43, 0x41, 0, 3, 2, 0x45, 1, 9, 0x43, 9}, uint8(3))
	f.Fuzz(func(t *testing.T, records []byte, from uint8) {
		if len(records) > 200 || int(from) > len(records) {
			return
		}
		record := func(offset int) (*envelope.Message, replay.Position) {
			value := records[offset]
			k := signedKey{name: string(rune('a' + value>>6)), after: time.Duration(value>>6) * 4 * time.Minute}
			return k.record(0, uint64(value&0xf)), replay.Position{Offset: int64(offset)}
		}
		ordered, rewound := newReader(replay.Config{}, noon), newReader(replay.Config{}, noon)
		for offset := int(from); offset < len(records); offset++ {
			mustFollow(rewound.Tracker, first(record(offset)), replay.Position{Offset: int64(offset)})
		}
		rewound.Rewind(0, 0)
		for offset := range records {
			msg, pos := record(offset)
			want, got := mustFollow(ordered.Tracker, msg, pos), mustFollow(rewound.Tracker, msg, pos)
			if got != want {
				t.Fatalf("offset %d, counter %d of %s: got %v, want %v", offset, msg.Counter, msg.DataKey, got, want)
			}
		}
		rewound.CountedBytes()
	})
}

func first(msg *envelope.Message, _ replay.Position) *envelope.Message { return msg }
