package consumer

import (
	"bytes"
	"errors"
	"math"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
	"kafka-e2ee/web/feed"
)

// timestamp returns a message's time, or the zero time if it has none. If the first record of a batch has none, sarama
// counts the other records' times from the zero time instead of from Kafka's -1.
func timestamp(m *sarama.ConsumerMessage) time.Time {
	if m.Timestamp.Unix() >= 0 {
		return m.Timestamp
	}
	if since := m.Timestamp.Sub(time.Time{}); since > 0 && since < math.MaxInt64 {
		return time.UnixMilli(since.Milliseconds() - 1)
	}
	return time.Time{}
}

// own gives records memory of their own for the bytes that Kafka sent. Those are part of a whole fetch response, of which
// a row on the page must not keep megabytes that the feed does not count. It is the only copy on the way from the
// connection to the feed. bytes.Join makes it, because it does not clear the memory first.
func own(records []feed.Record) {
	parts := make([][]byte, 0, 2*len(records))
	eachPart(records, func(part *[]byte) { parts = append(parts, *part) })
	copied := bytes.Join(parts, nil)
	eachPart(records, func(part *[]byte) {
		if *part == nil { // unlike an empty one
			return
		}
		n := len(*part)
		*part, copied = copied[:n:n], copied[n:]
	})
}

// eachPart calls do with everything in records that Kafka sent, always in the same order.
func eachPart(records []feed.Record, do func(part *[]byte)) {
	for i := range records {
		do(&records[i].Key)
		do(&records[i].Stored)
		for h := range records[i].Headers {
			do(&records[i].Headers[h].Value)
		}
	}
}

// headers returns a record's headers, with values that are not copied.
func headers(all []*sarama.RecordHeader) []feed.Header {
	if len(all) == 0 {
		return nil
	}
	list := make([]feed.Header, 0, len(all))
	for _, h := range all {
		list = append(list, feed.Header{Key: string(h.Key), Value: h.Value})
	}
	return list
}

// unsupportedOf returns why a JWE is not supported.
func unsupportedOf(err error) feed.Unsupported {
	unsupported, ok := errors.AsType[*envelope.UnsupportedError](err)
	if !ok {
		return feed.Unsupported{}
	}
	jwe := feed.Unsupported{Alg: unsupported.Alg, Enc: unsupported.Enc}
	switch unsupported.Reason {
	case envelope.UnsupportedAlgorithm:
		jwe.Reason = feed.UnsupportedAlgorithm
	case envelope.UnsupportedExtension:
		jwe.Reason = feed.UnsupportedExtension
	case envelope.UnsupportedSerialization:
		jwe.Reason = feed.UnsupportedSerialization
	}
	return jwe
}

func senderOf(s envelope.Sender) feed.Sender {
	sender := feed.Sender{State: feed.SenderUnchecked, Name: s.Name, KeyID: s.KeyID}
	switch s.State {
	case envelope.SenderVerified:
		sender.State = feed.SenderVerified
	case envelope.SenderUntrusted:
		sender.State = feed.SenderUntrusted
	case envelope.SenderUnverified:
		sender.State = feed.SenderUnverified
	case envelope.SenderUnchecked:
	}
	sender.Reason = senderReasonOf(s.Reason)
	return sender
}

func senderReasonOf(reason envelope.SenderReason) feed.SenderReason {
	switch reason {
	case envelope.ReasonUnsigned:
		return feed.SenderUnsigned
	case envelope.ReasonNobodyTrusted:
		return feed.SenderNobodyTrusted
	case envelope.ReasonUnknownSigner:
		return feed.SenderUnknown
	case envelope.ReasonBadSignature:
		return feed.SenderBadSignature
	}
	return ""
}

func flagsOf(f replay.Flags) feed.Flags {
	return feed.Flags{
		Stale: f.Stale, Repeat: f.Repeat, First: f.First, Missing: f.Missing, Late: f.Late, Unfollowed: f.Unfollowed, Moved: f.Moved, Unbound: f.Unbound,
	}
}

func dataKeyOf(msg envelope.Message) feed.DataKey {
	if !msg.Counted {
		return feed.DataKey{}
	}
	return feed.DataKey{ID: msg.DataKey, SealedFor: msg.Partition, Counter: msg.Counter, IssuedAt: msg.IssuedAt, Expires: msg.Expires}
}

// messageOf returns what a tracker needs of a record that was decrypted before.
func messageOf(r *feed.Record) envelope.Message {
	msg := envelope.Message{
		Format: envelope.Format(r.Format), Bound: !r.Flags.Unbound, Counted: r.DataKey.ID != "",
		DataKey: r.DataKey.ID, Partition: r.DataKey.SealedFor, Counter: r.DataKey.Counter, IssuedAt: r.DataKey.IssuedAt, Expires: r.DataKey.Expires,
		Sender: envelope.Sender{Name: r.Sender.Name, KeyID: r.Sender.KeyID},
	}
	if r.Sender.State == feed.SenderVerified {
		msg.Sender.State = envelope.SenderVerified
	}
	return msg
}
