package consumer

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A kilobyte of compressed records can unpack to gigabytes, and a megabyte of
// empty headers takes thirty. sarama can bound a batch but neither a whole answer
// nor what it makes of it, and it would ask for a batch that is too large again
// and again. So the batches of an answer are unpacked here, before sarama sees
// them: within bounds, and with a stand-in in place of one that has no room.
// sarama reads on behind it as behind any other.

// The bounds of KAFKA_UNPACKED_BYTES, which bounds what a compressed batch may
// unpack to, and all batches in one answer together, in bytes of memory as [cost]
// counts them.
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
	standIn standIn
	room    int    // left in this answer
	batches buffer // of this answer, as far as they had to change
	changed buffer // this answer, if it had to change
}

// buffer is memory that is used again for the next answer.
type buffer []byte

// reset empties it, and gives back what is much more than was needed last.
func (b *buffer) reset() {
	if cap(*b) > 1<<20 && len(*b) < cap(*b)/4 {
		*b = nil
	}
	*b = (*b)[:0]
}

// answer gives a Fetch response, from its header's tags on, with its batches
// unpacked, as many as there is room for. Where nothing had to change it is the
// same bytes. It is good until the next call. Its layout, of which only the
// records are looked at: https://kafka.apache.org/protocol#The_Messages_Fetch.
func (u *unpacker) answer(version int16, body []byte) ([]byte, error) {
	if version < 4 || version > 12 {
		return nil, fmt.Errorf("a fetch response of version %d", version)
	}
	u.room = u.most
	u.batches.reset()
	u.changed.reset()
	c, done := cursor{left: body, flexible: version >= 12}, 0
	c.tags() // the header's
	c.skip(4)
	if version >= 7 {
		c.skip(2 + 4)
	}
	for range c.count() {
		c.skip(c.name())
		for range c.count() {
			c.skip(4 + 2 + 8 + 8)
			if version >= 5 {
				c.skip(8)
			}
			for range c.count() {
				c.skip(8 + 8)
				c.tags()
			}
			if version >= 11 {
				c.skip(4)
			}
			from := len(body) - len(c.left)
			if out, changed := u.partition(c.take(max(c.size(), 0))); changed {
				u.changed = append(u.changed, body[done:from]...)
				u.changed = append(c.appendSize(u.changed, len(out)), out...)
				done = len(body) - len(c.left)
			}
			c.tags()
		}
		c.tags()
	}
	c.tags()
	switch {
	case c.left == nil || len(c.left) > 0:
		return nil, errors.New("a fetch response that cannot be parsed")
	case done == 0:
		return body, nil
	}
	u.changed = append(u.changed, body[done:]...)
	return u.changed, nil
}

// partition unpacks the batches of one; changed is false if they can stay as they
// are. It ends before the first that has no room in this answer any more: sarama
// asks for the rest next.
func (u *unpacker) partition(records []byte) (out []byte, changed bool) {
	start, at := len(u.batches), 0
	change := func() {
		if !changed {
			changed = true
			u.batches = append(u.batches, records[:at]...)
		}
	}
	for {
		size, codec := nextBatch(records[at:])
		batch := records[at : at+size]
		switch {
		case size == 0: // the end, or a batch that is cut off
			if changed {
				u.batches = append(u.batches, records[at:]...)
			}
			return u.batches[start:], changed
		case codec != 0:
			change()
			if !u.unpack(batch, codec) {
				return u.batches[start:], true
			}
		case !u.fits(batch):
			change()
			return u.batches[start:], true
		case changed:
			u.batches = append(u.batches, batch...)
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
	size = batchLengthAt + 4 + int(int32(binary.BigEndian.Uint32(records[batchLengthAt:]))) //nolint:gosec // it is signed
	if size < batchLengthAt+4 || size > len(records) {
		return 0, 0
	}
	if size < batchRecordsAt || records[batchMagicAt] != 2 {
		return size, 0
	}
	return size, int(binary.BigEndian.Uint16(records[batchAttributesAt:]) & batchCodec)
}

// fits takes the room for a batch that is not packed. The first of an answer
// always has it: it is as large as the broker lets a batch be.
func (u *unpacker) fits(batch []byte) bool {
	takes := len(batch)
	if len(batch) >= batchRecordsAt && batch[batchMagicAt] == 2 {
		if counted, err := cost(batch[batchRecordsAt:]); err == nil { // else sarama says what is wrong with it
			takes = counted
		}
	}
	if takes > u.room && u.room < u.most {
		return false
	}
	u.room -= min(takes, u.room)
	return true
}

func checksum(batch []byte) uint32 {
	return crc32.Checksum(batch[batchAttributesAt:], crc32.MakeTable(crc32.Castagnoli))
}

// unpack appends a batch as it would be without compression. It reports false,
// and appends nothing, if there is no room in this answer any more.
func (u *unpacker) unpack(batch []byte, codec int) (fits bool) {
	start := len(u.batches)
	if binary.BigEndian.Uint32(batch[batchCRCAt:]) != checksum(batch) {
		u.batches = append(u.batches, batch...) // damaged on its way: sarama sees that, too, and asks again
		return true
	}
	u.batches = append(u.batches, batch[:batchRecordsAt]...)
	takes := 0
	out, err := u.decompress(u.batches, codec, batch[batchRecordsAt:])
	if err == nil {
		u.batches = out
		takes, err = cost(out[start+batchRecordsAt:])
	}
	switch {
	case err != nil || takes > u.most:
		u.batches = u.standIn.append(u.batches[:start+batchRecordsAt], batch)
		binary.BigEndian.PutUint32(u.batches[start+batchCountAt:], 1)
	case takes > u.room:
		u.batches = u.batches[:start]
		return false
	default:
		u.room -= takes
	}
	plain := u.batches[start:]
	binary.BigEndian.PutUint32(plain[batchLengthAt:], uint32(len(plain)-batchLengthAt-4)) //nolint:gosec // bounded by u.most
	plain[batchAttributesAt+1] &^= batchCodec
	binary.BigEndian.PutUint32(plain[batchCRCAt:], checksum(plain))
	return true
}

// cost is what records take in memory once sarama has made messages of them. Its
// error is for what no broker would have accepted.
func cost(records []byte) (int, error) {
	total := len(records)
	for c := (cursor{left: records}); len(c.left) > 0; {
		record := cursor{left: c.take(c.varint())}
		record.skip(1) // attributes
		record.varint()
		record.varint()
		record.skip(record.varint()) // key
		record.skip(record.varint()) // value
		headers := record.varint()
		if record.left == nil || headers < 0 || headers > int64(len(record.left)) {
			return 0, errors.New("damaged")
		}
		total += messageCost + headerCost*int(headers)
	}
	return total, nil
}

// cursor is what is left to read; nil once something was not as it must be.
type cursor struct {
	left     []byte
	flexible bool // sizes are written as in version 12 and later (KIP-482)
}

func (c *cursor) take(n int64) []byte {
	if n < 0 || n > int64(len(c.left)) {
		c.left = nil
		return nil
	}
	taken := c.left[:n]
	c.left = c.left[n:]
	return taken
}

// skip passes over n bytes; a null has -1.
func (c *cursor) skip(n int64) {
	if n != -1 {
		c.take(n)
	}
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.left)
	if n <= 0 {
		c.left = nil
		return 0
	}
	c.left = c.left[n:]
	return v
}

func (c *cursor) uvarint() int64 {
	v, n := binary.Uvarint(c.left)
	if n <= 0 || v > math.MaxInt32 {
		c.left = nil
		return 0
	}
	c.left = c.left[n:]
	return int64(v)
}

// size is that of bytes; a null has -1.
func (c *cursor) size() int64 {
	if c.flexible {
		return c.uvarint() - 1
	}
	if b := c.take(4); b != nil {
		return int64(int32(binary.BigEndian.Uint32(b))) //nolint:gosec // it is signed
	}
	return 0
}

func (c *cursor) appendSize(out []byte, n int) []byte {
	if c.flexible {
		return binary.AppendUvarint(out, uint64(n)+1) //nolint:gosec // a length
	}
	return binary.BigEndian.AppendUint32(out, uint32(n)) //nolint:gosec // bounded by u.most
}

// name is the length of a text.
func (c *cursor) name() int64 {
	if c.flexible {
		return c.uvarint() - 1
	}
	if b := c.take(2); b != nil {
		return int64(int16(binary.BigEndian.Uint16(b))) //nolint:gosec // it is signed
	}
	return 0
}

// count is the number of elements of an array: no more than there are bytes.
func (c *cursor) count() int64 {
	n := c.size()
	if n > int64(len(c.left)) {
		c.left = nil
		return 0
	}
	return max(n, 0)
}

// tags passes over fields that older clients need not know.
func (c *cursor) tags() {
	if !c.flexible {
		return
	}
	for n := c.uvarint(); n > 0 && c.left != nil; n-- {
		c.uvarint()
		c.skip(c.uvarint())
	}
}

// standIn is the key of the header that says that a record stands for a batch
// that was passed over. It is another in each process: nobody who writes records
// can make one.
type standIn string

func newStandIn() standIn { return standIn(rand.Text()) }

// append appends the record that stands for a batch. It has the last offset and
// time of the batch, so that reading goes on behind it, and the first offset in
// its header.
func (s standIn) append(out, batch []byte) []byte {
	first := binary.BigEndian.Uint64(batch[batchFirstTimeAt:])
	last := binary.BigEndian.Uint64(batch[batchLastTimeAt:])
	record := []byte{0}                                                                                   // attributes
	record = binary.AppendVarint(record, int64(last-first))                                               //nolint:gosec // times are signed
	record = binary.AppendVarint(record, int64(int32(binary.BigEndian.Uint32(batch[batchLastDeltaAt:])))) //nolint:gosec // it is signed
	record = binary.AppendVarint(record, -1)                                                              // no key
	record = binary.AppendVarint(record, -1)                                                              // no value
	record = binary.AppendVarint(record, 1)                                                               // one header
	record = binary.AppendVarint(record, int64(len(s)))
	record = append(record, s...)
	record = binary.AppendVarint(record, 8)
	record = append(record, batch[:8]...) // the batch's first offset
	return append(binary.AppendVarint(out, int64(len(record))), record...)
}

// first gives the first offset of the batch that a record stands for; ok is false
// if it stands for none.
func (s standIn) first(m *sarama.ConsumerMessage) (offset int64, ok bool) {
	if len(m.Headers) != 1 || string(m.Headers[0].Key) != string(s) || len(m.Headers[0].Value) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(m.Headers[0].Value)), true //nolint:gosec // it is signed
}

// codecs decompress, each with what it keeps for the next batch.
type codecs struct {
	most int // bytes that a batch may unpack to
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// decompress appends at most so many bytes to out.
func (c *codecs) decompress(out []byte, codec int, packed []byte) (_ []byte, err error) {
	switch sarama.CompressionCodec(codec) { //nolint:gosec // three bits
	case sarama.CompressionGZIP:
		if c.gzip == nil {
			c.gzip = new(gzip.Reader)
		}
		if err := c.gzip.Reset(bytes.NewReader(packed)); err != nil {
			return nil, err
		}
		return c.read(out, c.gzip)
	case sarama.CompressionLZ4:
		if c.lz4 == nil {
			c.lz4 = lz4.NewReader(nil)
		}
		c.lz4.Reset(bytes.NewReader(packed))
		return c.read(out, c.lz4)
	case sarama.CompressionSnappy:
		return c.snappy(out, packed)
	case sarama.CompressionZSTD:
		if c.zstd == nil {
			if c.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(c.most))); err != nil { //nolint:gosec // KAFKA_UNPACKED_BYTES
				return nil, err
			}
		}
		// Into the room behind out, and not appended: it would count what is there against its limit.
		records, err := c.zstd.DecodeAll(packed, out[len(out):])
		if room := out[len(out):cap(out)]; err == nil && len(records) <= len(room) && len(records) > 0 && &records[0] == &room[0] {
			return out[:len(out)+len(records)], nil
		}
		return append(out, records...), err
	default:
		return nil, errors.New("no such codec")
	}
}

// step is by how much room grows at first where the format does not say how much is needed.
const step = 64 << 10

func (c *codecs) read(out []byte, from io.Reader) ([]byte, error) {
	for start := len(out); ; {
		if len(out) == cap(out) {
			out = slices.Grow(out, max(len(out)-start, step))
		}
		n, err := from.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case len(out)-start > c.most:
			return nil, errors.New("too large")
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}

func (c *codecs) snappy(out, packed []byte) ([]byte, error) {
	start := len(out)
	for size := max(cap(out)-start, step); ; size *= 2 {
		size = min(size, c.most)
		out = slices.Grow(out, size)
		records, err := xerial.DecodeCapped(out[start:start:start+size], packed)
		if err == nil {
			return out[:start+len(records)], nil
		}
		if !errors.Is(err, xerial.ErrDstTooSmall) || size == c.most {
			return nil, err
		}
	}
}
