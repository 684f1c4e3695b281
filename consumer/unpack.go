package consumer

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A kilobyte of compressed records can unpack to gigabytes. sarama can bound a
// batch but neither a whole answer nor what it makes of it, and it would ask for
// a batch that is too large again and again. So the batches of an answer are
// unpacked here, before sarama sees them: within bounds, and with a stand-in in
// place of one that has no room. sarama reads on behind it as behind any other.

// The bounds of KAFKA_UNPACKED_BYTES, which bounds what a compressed batch may
// unpack to, and all of those in one answer together, in bytes of memory as
// [cost] counts them.
const (
	leastUnpacked = 8 << 20 // the window that every reader of zstd shall have room for: RFC 8878, 3.1.1.1.2
	mostUnpacked  = 1 << 30
)

// The layout of a record batch of Kafka 0.11 and later:
// https://kafka.apache.org/documentation/#recordbatch.
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

// unpacker unpacks the answers of one connection.
type unpacker struct {
	codecs
	room int // left in this answer
}

// answer gives a Fetch response, from its header's tags on, with its batches
// unpacked. Where nothing is packed it is the same bytes.
func (u *unpacker) answer(version int16, body []byte) ([]byte, error) {
	tags := 0 // of the header: none of them is defined
	if response := (&kmsg.FetchResponse{Version: version}); response.IsFlexible() {
		tags = 1
	}
	if len(body) < tags || tags == 1 && body[0] != 0 {
		return nil, errors.New("a fetch response with an unknown header")
	}
	response := kmsg.FetchResponse{Version: version}
	if err := response.UnsafeReadFrom(body[tags:]); err != nil {
		return nil, fmt.Errorf("a fetch response that cannot be parsed: %w", err)
	}
	u.room = u.most
	changed := false
	for t := range response.Topics {
		for p := range response.Topics[t].Partitions {
			records := &response.Topics[t].Partitions[p].RecordBatches
			if out := u.batches(*records); out != nil {
				*records, changed = out, true
			}
		}
	}
	u.scratch = nil // it may be large, and the next answer may be long in coming
	if !changed {
		return body, nil
	}
	return response.AppendTo(body[:tags:tags]), nil
}

// batches unpacks those of one partition; nil if none is packed. It ends before
// the first that has no room in this answer any more: sarama asks for the rest next.
func (u *unpacker) batches(records []byte) []byte {
	var out []byte
	for at := 0; ; {
		rest := records[at:]
		size, codec := nextBatch(rest)
		if size == 0 { // the end, or a batch that is cut off
			if out != nil {
				out = append(out, rest...)
			}
			return out
		}
		batch := rest[:size]
		switch {
		case codec == 0:
			if out != nil {
				out = append(out, batch...)
			}
		default:
			if out == nil {
				out = append(make([]byte, 0, len(records)), records[:at]...)
			}
			var fits bool
			if out, fits = u.batch(out, batch, codec); !fits {
				return out
			}
		}
		at += size
	}
}

// nextBatch is the size of the batch that is first, and its codec. Batches of
// before Kafka 0.11 are left to sarama; Kafka 4 neither stores nor accepts any.
func nextBatch(records []byte) (size, codec int) {
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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch appends a batch as it would be without compression. It reports false,
// and appends nothing, if there is no room in this answer any more.
func (u *unpacker) batch(out, batch []byte, codec int) ([]byte, bool) {
	if binary.BigEndian.Uint32(batch[batchCRCAt:]) != crc32.Checksum(batch[batchAttributesAt:], castagnoli) {
		return append(out, batch...), true // damaged on its way: sarama sees that, too, and asks again
	}
	records, err := u.unpack(codec, batch[batchRecordsAt:])
	takes := 0
	if err == nil {
		takes, err = cost(records)
	}
	start := len(out)
	switch {
	case err != nil || takes > u.most:
		out = append(out, batch[:batchRecordsAt]...)
		binary.BigEndian.PutUint32(out[start+batchCountAt:], 1)
		out = appendStandIn(out, batch)
	case takes > u.room:
		return out, false
	default:
		u.room -= takes
		out = append(append(out, batch[:batchRecordsAt]...), records...)
	}
	plain := out[start:]
	binary.BigEndian.PutUint32(plain[batchLengthAt:], uint32(len(plain)-batchLengthAt-4)) //nolint:gosec // bounded by u.most
	plain[batchAttributesAt+1] &^= batchCodec
	binary.BigEndian.PutUint32(plain[batchCRCAt:], crc32.Checksum(plain[batchAttributesAt:], castagnoli))
	return out, true
}

// cost is what records take in memory once sarama has made messages of them. Its
// error is for what no broker would have accepted.
func cost(records []byte) (int, error) {
	total := len(records)
	for len(records) > 0 {
		size, n := binary.Varint(records)
		if n <= 0 || size < 1 || size > int64(len(records)-n) {
			return 0, errDamaged
		}
		record := field{records[n : n+int(size)]}
		records = records[n+int(size):]
		record.skip(1) // attributes
		record.varint()
		record.varint()
		record.skip(record.varint()) // key
		record.skip(record.varint()) // value
		headers := record.varint()
		if record.left == nil || headers < 0 || headers > int64(len(record.left)) {
			return 0, errDamaged
		}
		total += messageCost + headerCost*int(headers)
	}
	return total, nil
}

var errDamaged = errors.New("damaged")

// field is what is left of a record; nil once something was not as it must be.
type field struct{ left []byte }

func (f *field) varint() int64 {
	v, n := binary.Varint(f.left)
	if n <= 0 {
		f.left = nil
		return 0
	}
	f.left = f.left[n:]
	return v
}

// skip passes over n bytes; a null has -1.
func (f *field) skip(n int64) {
	if n < -1 || n > int64(len(f.left)) {
		f.left = nil
		return
	}
	f.left = f.left[max(n, 0):]
}

// standIn is the key of the header that says that a record stands for a batch
// that was passed over. It is another in each process: nobody who writes records
// can make one.
var standIn = rand.Text()

// appendStandIn appends the record that stands for a batch. It has the last
// offset and time of the batch, so that reading goes on behind it, and the first
// offset in its header.
func appendStandIn(out, batch []byte) []byte {
	first := binary.BigEndian.Uint64(batch[batchFirstTimeAt:])
	last := binary.BigEndian.Uint64(batch[batchLastTimeAt:])
	record := []byte{0}                                       // attributes
	record = binary.AppendVarint(record, int64(last-first))   //nolint:gosec // times are signed
	record = binary.AppendVarint(record, lastDelta(batch))    //
	record = binary.AppendVarint(record, -1)                  // no key
	record = binary.AppendVarint(record, -1)                  // no value
	record = binary.AppendVarint(record, 1)                   // one header
	record = binary.AppendVarint(record, int64(len(standIn))) //
	record = append(record, standIn...)
	record = binary.AppendVarint(record, 8)
	record = append(record, batch[:8]...) // the batch's first offset
	return append(binary.AppendVarint(out, int64(len(record))), record...)
}

func lastDelta(batch []byte) int64 {
	return int64(int32(binary.BigEndian.Uint32(batch[batchLastDeltaAt:]))) //nolint:gosec // it is signed
}

// passedOver says whether a record stands for a batch, and where that begins.
func passedOver(m *sarama.ConsumerMessage) (first int64, yes bool) {
	if len(m.Headers) != 1 || string(m.Headers[0].Key) != standIn || len(m.Headers[0].Value) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(m.Headers[0].Value)), true //nolint:gosec // it is signed
}

// codecs unpack, each with what it keeps for the next batch.
type codecs struct {
	most    int // bytes that a batch may unpack to
	scratch []byte
	gzip    *gzip.Reader
	lz4     *lz4.Reader
	zstd    *zstd.Decoder
}

var errTooLarge = errors.New("too large")

// unpack gives a batch's records, which are good until the next call.
func (c *codecs) unpack(codec int, packed []byte) (records []byte, err error) {
	switch sarama.CompressionCodec(codec) {
	case sarama.CompressionGZIP:
		if c.gzip == nil {
			c.gzip = new(gzip.Reader)
		}
		if err := c.gzip.Reset(bytes.NewReader(packed)); err != nil {
			return nil, err
		}
		return c.read(c.gzip)
	case sarama.CompressionLZ4:
		if c.lz4 == nil {
			c.lz4 = lz4.NewReader(nil)
		}
		c.lz4.Reset(bytes.NewReader(packed))
		return c.read(c.lz4)
	case sarama.CompressionSnappy:
		return c.snappy(packed)
	case sarama.CompressionZSTD:
		if c.zstd == nil {
			if c.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(c.most))); err != nil {
				return nil, err
			}
		}
		c.scratch, err = c.zstd.DecodeAll(packed, c.scratch[:0])
		return c.scratch, err
	default:
		return nil, errors.New("no such codec")
	}
}

func (c *codecs) read(from io.Reader) ([]byte, error) {
	for c.scratch = c.scratch[:0]; ; {
		if len(c.scratch) == cap(c.scratch) {
			c.scratch = slices.Grow(c.scratch, max(len(c.scratch), 64<<10))
		}
		n, err := from.Read(c.scratch[len(c.scratch):cap(c.scratch)])
		c.scratch = c.scratch[:len(c.scratch)+n]
		switch {
		case len(c.scratch) > c.most:
			return nil, errTooLarge
		case err == io.EOF:
			return c.scratch, nil
		case err != nil:
			return nil, err
		}
	}
}

// snappy grows its room step by step: the format says nowhere how much is needed.
func (c *codecs) snappy(packed []byte) ([]byte, error) {
	for size := max(cap(c.scratch), 64<<10); ; size *= 2 {
		size = min(size, c.most)
		c.scratch = slices.Grow(c.scratch[:0], size)
		records, err := xerial.DecodeCapped(c.scratch[:0:size], packed)
		if !errors.Is(err, xerial.ErrDstTooSmall) || size == c.most {
			return records, err
		}
	}
}
