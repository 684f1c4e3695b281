package fetchlimit

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	testMaxBatch       = 1 << 20
	testPlaceholderKey = "placeholder"
)

func unlimited() *budget { return newBudget(math.MaxInt) }

func testRewriter(b *budget) *rewriter {
	return newRewriter(testMaxBatch, testPlaceholderKey, b, nil)
}

// javaZSTD is zstd as Java clients write it. Its lowest bits are those of the codec.
const javaZSTD = sarama.CompressionZSTD | 1<<6

// compress compresses as a producer does.
func compress(t testing.TB, codec sarama.CompressionCodec, records []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch codec {
	case sarama.CompressionGZIP:
		w = gzip.NewWriter(&out)
	case sarama.CompressionLZ4:
		w = lz4.NewWriter(&out)
	case sarama.CompressionSnappy:
		return xerial.Encode(nil, records)
	case sarama.CompressionZSTD: // as sarama does, with the size in the frame
		encoder, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return encoder.EncodeAll(records, nil)
	case javaZSTD: // a stream without a size
		var err error
		if w, err = zstd.NewWriter(&out, zstd.WithWindowSize(testMaxBatch)); err != nil {
			t.Fatal(err)
		}
	default:
		return records
	}
	if _, err := w.Write(records); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// makeRecords makes n records with values of one size and a number of headers each.
func makeRecords(n, size, headers int) []byte {
	var out []byte
	for i := range n {
		r := kmsg.Record{OffsetDelta: int32(i), Value: make([]byte, size), Headers: make([]kmsg.Header, headers)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // the length is 0 so far, which takes one byte
		out = r.AppendTo(out)
	}
	return out
}

// makeBatch makes a record batch of a compressed body.
func makeBatch(first int64, count int, codec sarama.CompressionCodec, body []byte) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: first, Magic: 2, Attributes: int16(codec & batchCodec), LastOffsetDelta: int32(count - 1),
		FirstTimestamp: 1000, MaxTimestamp: 2000, NumRecords: int32(count), Records: body,
	}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[batchLengthAt:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[batchCRCAt:], checksum(out))
	return out
}

// fetchResponse is a Fetch response from behind its correlation id.
func fetchResponse(version int16, partitions ...[]byte) []byte {
	r := kmsg.FetchResponse{Version: version, Topics: []kmsg.FetchResponseTopic{{Topic: "t"}}}
	for i, records := range partitions {
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.RecordBatches, p.HighWatermark = int32(i), records, int64(1000+i)
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
	}
	var tags []byte
	if r.IsFlexible() {
		tags = []byte{0}
	}
	return r.AppendTo(tags)
}

// parseBatches parses the records of a partition and verifies the checksums, as sarama does.
func parseBatches(t testing.TB, records []byte) (all []kmsg.RecordBatch) {
	t.Helper()
	for len(records) > 0 {
		size, _ := firstBatch(records)
		if size == 0 {
			t.Fatalf("%d bytes are no batch", len(records))
		}
		if want := checksum(records[:size]); want != binary.BigEndian.Uint32(records[batchCRCAt:]) {
			t.Error("a batch has a wrong checksum")
		}
		var b kmsg.RecordBatch
		if err := b.ReadFrom(records[:size]); err != nil {
			t.Fatal(err)
		}
		all, records = append(all, b), records[size:]
	}
	return all
}

func rewrite(t testing.TB, version int16, body []byte) *kmsg.FetchResponse {
	t.Helper()
	out, err := testRewriter(unlimited()).rewriteResponse(sentFetch{version: version}, body)
	if err != nil {
		t.Fatal(err)
	}
	response := &kmsg.FetchResponse{Version: version}
	if response.IsFlexible() {
		out = out[1:]
	}
	if err := response.ReadFrom(out); err != nil {
		t.Fatal(err)
	}
	return response
}

func allCodecs() []sarama.CompressionCodec {
	return []sarama.CompressionCodec{sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD, javaZSTD}
}

func fetchRequest(version int16, id int32, partitions ...int32) []byte {
	request := kmsg.NewPtrFetchRequest()
	request.Version = version
	about := kmsg.NewFetchRequestTopic()
	about.Topic = "t"
	for _, p := range partitions {
		one := kmsg.NewFetchRequestTopicPartition()
		one.Partition, one.FetchOffset = p, 1<<40
		about.Partitions = append(about.Partitions, one)
	}
	request.Topics = append(request.Topics, about)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("consume")).AppendRequest(nil, request, id)
}
