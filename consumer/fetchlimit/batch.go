package fetchlimit

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"kafka-e2ee/kafkaconf/wire"
)

// The layout of a record batch since Kafka 0.11: https://kafka.apache.org/documentation/#recordbatch.
const (
	batchLengthAt     = 8
	batchMagicAt      = 16
	batchCRCAt        = 17
	batchAttributesAt = 21
	batchLastDeltaAt  = 23
	batchFirstTimeAt  = 27
	batchLastTimeAt   = 35
	batchCountAt      = 57
	batchRecordsAt    = 61

	batchCodec = 0b111 // in the attributes
)

// firstBatch returns the size and the codec of the first batch, or 0 if there is no whole batch. It leaves batches of
// formats before Kafka 0.11 to sarama: Kafka 4 neither stores nor accepts them.
func firstBatch(records []byte) (size, codec int) {
	if len(records) < batchRecordsAt {
		return 0, 0
	}
	size = batchLengthAt + 4 + int(int32(binary.BigEndian.Uint32(records[batchLengthAt:])))
	if size < batchLengthAt+4 || size > len(records) {
		return 0, 0
	}
	if size < batchRecordsAt || records[batchMagicAt] != 2 {
		return size, 0
	}
	return size, int(binary.BigEndian.Uint16(records[batchAttributesAt:]) & batchCodec)
}

func checksum(batch []byte) uint32 {
	return crc32.Checksum(batch[batchAttributesAt:], crc32.MakeTable(crc32.Castagnoli))
}

// recordsCost returns the memory in bytes that records take as sarama's messages. It returns an error for records that
// no broker accepts.
func recordsCost(records []byte) (int, error) {
	total := len(records)
	for c := (wire.Reader{Left: records}); len(c.Left) > 0; {
		record := wire.Reader{Left: c.Take(c.Varint())}
		record.Skip(1) // attributes
		record.Varint()
		record.Varint()
		record.Skip(record.Varint()) // key
		record.Skip(record.Varint()) // value
		headers := record.Varint()
		if record.Left == nil || headers < 0 || headers > int64(len(record.Left)) {
			return 0, errors.New("damaged")
		}
		total += messageCost + headerCost*int(headers)
	}
	return total, nil
}

// unpackBatch appends a compressed batch without its compression, or its placeholder. It appends nothing and returns
// false if it exceeds the limit of the response.
func (r *rewriter) unpackBatch(batch []byte, codec int) (ok bool) {
	start := len(r.batches)
	if binary.BigEndian.Uint32(batch[batchCRCAt:]) != checksum(batch) {
		r.batches = append(r.batches, batch...) // damaged on the way: sarama checks it, too, and requests it again
		return true
	}
	r.batches = append(r.batches, batch[:batchRecordsAt]...)
	cost := 0
	out, err := r.decompress(r.batches, codec, batch[batchRecordsAt:])
	if err == nil {
		r.batches = out
		cost, err = recordsCost(out[start+batchRecordsAt:])
	}
	switch {
	case err != nil || cost > r.maxBatch:
		reason := TooLarge
		if err != nil && !isTooLarge(err) {
			reason = Damaged
		}
		r.batches = appendPlaceholder(r.batches[:start+batchRecordsAt], r.placeholderKey, batch, reason)
		binary.BigEndian.PutUint32(r.batches[start+batchCountAt:], 1)
	case cost > r.left:
		r.batches, r.full = r.batches[:start], true
		return false
	default:
		r.left -= cost
	}
	plain := r.batches[start:]
	binary.BigEndian.PutUint32(plain[batchLengthAt:], uint32(len(plain)-batchLengthAt-4))
	plain[batchAttributesAt+1] &^= batchCodec
	binary.BigEndian.PutUint32(plain[batchCRCAt:], checksum(plain))
	return true
}

// reserve takes the cost of an uncompressed batch from the response's limit. The first batch of a response always fits:
// the broker has limited its size.
func (r *rewriter) reserve(batch []byte) (ok bool) {
	cost := len(batch)
	if len(batch) >= batchRecordsAt && batch[batchMagicAt] == 2 {
		if counted, err := recordsCost(batch[batchRecordsAt:]); err == nil { // otherwise sarama reports the damage
			cost = counted
		}
	}
	if cost > r.left && r.left < r.maxBatch {
		r.full = true
		return false
	}
	r.left -= min(cost, r.left)
	return true
}
