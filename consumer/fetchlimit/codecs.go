package fetchlimit

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codecs decompress batches. They keep their decoders for the next batch.
type codecs struct {
	maxBatch int // bytes that a batch may unpack to
	gzip     *gzip.Reader
	lz4      *lz4.Reader
	zstd     *zstd.Decoder
}

var errTooLarge = errors.New("too large")

// isTooLarge reports whether decompressing failed only because of the limit.
func isTooLarge(err error) bool {
	return errors.Is(err, errTooLarge) || errors.Is(err, xerial.ErrDstTooSmall) ||
		errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded)
}

// decompress appends at most maxBatch bytes to out.
func (c *codecs) decompress(out []byte, codec int, compressed []byte) (_ []byte, err error) {
	switch sarama.CompressionCodec(codec) {
	case sarama.CompressionGZIP:
		if c.gzip == nil {
			c.gzip = new(gzip.Reader)
		}
		if err := c.gzip.Reset(bytes.NewReader(compressed)); err != nil {
			return nil, err
		}
		return c.appendAll(out, c.gzip)
	case sarama.CompressionLZ4:
		if c.lz4 == nil {
			c.lz4 = lz4.NewReader(nil)
		}
		c.lz4.Reset(bytes.NewReader(compressed))
		return c.appendAll(out, c.lz4)
	case sarama.CompressionSnappy:
		return c.appendSnappy(out, compressed)
	case sarama.CompressionZSTD:
		if c.zstd == nil {
			if c.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(c.maxBatch))); err != nil {
				return nil, err
			}
		}
		// DecodeAll counts the bytes of its dst against the limit. So dst is empty, with the capacity behind out.
		records, err := c.zstd.DecodeAll(compressed, out[len(out):])
		if free := out[len(out):cap(out)]; err == nil && len(records) <= len(free) && len(records) > 0 && &records[0] == &free[0] {
			return out[:len(out)+len(records)], nil
		}
		return append(out, records...), err
	default:
		return nil, errors.New("no such codec")
	}
}

// minGrowth is the first growth of a buffer if the format does not say how much it needs.
const minGrowth = 64 << 10

func (c *codecs) appendAll(out []byte, from io.Reader) ([]byte, error) {
	for start := len(out); ; {
		if len(out) == cap(out) {
			out = slices.Grow(out, max(len(out)-start, minGrowth))
		}
		n, err := from.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case len(out)-start > c.maxBatch:
			return nil, errTooLarge
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}

func (c *codecs) appendSnappy(out, compressed []byte) ([]byte, error) {
	start := len(out)
	for size := max(cap(out)-start, minGrowth); ; size *= 2 {
		size = min(size, c.maxBatch)
		out = slices.Grow(out, size)
		records, err := xerial.DecodeCapped(out[start:start:start+size], compressed)
		if err == nil {
			return out[:start+len(records)], nil
		}
		if !errors.Is(err, xerial.ErrDstTooSmall) || size == c.maxBatch {
			return nil, err
		}
	}
}
