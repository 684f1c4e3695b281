package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// javaZSTD is zstd as another client writes it; its lowest bits are the codec's.
const javaZSTD = sarama.CompressionZSTD | 1<<6

// packed compresses as a producer would.
func packed(t testing.TB, codec sarama.CompressionCodec, records []byte) []byte {
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
	case sarama.CompressionZSTD: // as sarama does, saying how much it is
		encoder, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return encoder.EncodeAll(records, nil)
	case javaZSTD: // as Java does, as a stream
		var err error
		if w, err = zstd.NewWriter(&out, zstd.WithWindowSize(testMost)); err != nil {
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

// someRecords are n records with values of that size and that many headers each.
func someRecords(n, size, headers int) []byte {
	var out []byte
	for i := range n {
		r := kmsg.Record{OffsetDelta: int32(i), Value: make([]byte, size), Headers: make([]kmsg.Header, headers)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // its own length is 0 now, which takes one byte
		out = r.AppendTo(out)
	}
	return out
}

// batch is a record batch around what a codec made.
func batch(first int64, count int, codec sarama.CompressionCodec, body []byte) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: first, Magic: 2, Attributes: int16(codec & batchCodec), LastOffsetDelta: int32(count - 1),
		FirstTimestamp: 1000, MaxTimestamp: 2000, NumRecords: int32(count), Records: body,
	}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[batchLengthAt:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[batchCRCAt:], checksum(out))
	return out
}

// fetched is a Fetch response, after its correlation id.
func fetched(version int16, partitions ...[]byte) []byte {
	r := kmsg.FetchResponse{Version: version, Topics: []kmsg.FetchResponseTopic{{Topic: "t"}}}
	for i, records := range partitions {
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.RecordBatches = int32(i), records
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, p)
	}
	var tags []byte
	if r.IsFlexible() {
		tags = []byte{0}
	}
	return r.AppendTo(tags)
}

// batchesIn parses what came of one partition, and checks what sarama would check.
func batchesIn(t testing.TB, records []byte) (all []kmsg.RecordBatch) {
	t.Helper()
	for len(records) > 0 {
		size, _ := nextBatch(records)
		if size == 0 {
			t.Fatalf("%d bytes that are no batch", len(records))
		}
		if want := checksum(records[:size]); want != binary.BigEndian.Uint32(records[batchCRCAt:]) {
			t.Error("a batch with a wrong checksum")
		}
		var b kmsg.RecordBatch
		if err := b.ReadFrom(records[:size]); err != nil {
			t.Fatal(err)
		}
		all, records = append(all, b), records[size:]
	}
	return all
}

const (
	testMost    = 1 << 20
	testStandIn = standIn("stands in")
)

func unpackedBy(t testing.TB, version int16, body []byte) *kmsg.FetchResponse {
	t.Helper()
	u := unpacker{codecs: codecs{most: testMost}, standIn: testStandIn}
	out, err := u.answer(version, body)
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

func codecsInUse() []sarama.CompressionCodec {
	return []sarama.CompressionCodec{sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD, javaZSTD}
}

// Without this compressed records would be lost, or come with other bytes.
func TestUnpackKeepsRecords(t *testing.T) {
	plain, records := batch(0, 2, sarama.CompressionNone, someRecords(2, 10, 1)), someRecords(300, 1000, 2)
	for _, version := range []int16{4, 11, 12} {
		for _, codec := range codecsInUse() {
			tail := plain[:len(plain)-1] // as a broker ends an answer
			body := fetched(version, append(append(bytes.Clone(plain), batch(2, 300, codec, packed(t, codec, records))...), tail...))
			got := unpackedBy(t, version, body).Topics[0].Partitions[0].RecordBatches
			if !bytes.HasSuffix(got, tail) {
				t.Fatalf("%v: what was cut off is lost", codec)
			}
			all := batchesIn(t, got[:len(got)-len(tail)])
			if len(all) != 2 || !bytes.Equal(all[1].Records, records) || all[1].Attributes != 0 || all[1].NumRecords != 300 || all[1].FirstOffset != 2 {
				t.Errorf("version %d, %v: got %d batches", version, codec, len(all))
			}
		}
		u, body := unpacker{codecs: codecs{most: testMost}, standIn: testStandIn}, fetched(version, plain)
		if out, err := u.answer(version, body); err != nil || &out[0] != &body[0] {
			t.Errorf("version %d: an answer without compressed batches is copied: %v", version, err)
		}
	}
}

// Without this a writer could take all memory with a few bytes, or stop the
// reading with one batch.
func TestUnpackPutsAStandInForWhatHasNoRoom(t *testing.T) {
	damaged := packed(t, sarama.CompressionZSTD, someRecords(5, 1000, 0))
	damaged = damaged[:len(damaged)/2]
	tests := map[string][]byte{
		"many headers":      batch(7, 5, sarama.CompressionZSTD, packed(t, sarama.CompressionZSTD, someRecords(5, 1, 10_000))),
		"many records":      batch(7, 5, sarama.CompressionZSTD, packed(t, sarama.CompressionZSTD, someRecords(20_000, 0, 0))),
		"damaged":           batch(7, 5, sarama.CompressionZSTD, damaged),
		"no records":        batch(7, 5, sarama.CompressionGZIP, packed(t, sarama.CompressionGZIP, []byte("something else"))),
		"an unknown codec":  batch(7, 5, 5, []byte("packed")),
		"headers in excess": batch(7, 5, sarama.CompressionGZIP, packed(t, sarama.CompressionGZIP, []byte{14, 0, 0, 0, 1, 1, 0xfe, 1})),
	}
	for _, codec := range codecsInUse() {
		tests[fmt.Sprint("codec ", int(codec))] = batch(7, 5, codec, packed(t, codec, someRecords(5, testMost, 0)))
	}
	good := batch(12, 1, sarama.CompressionNone, someRecords(1, 10, 0))
	for name, bad := range tests {
		response := unpackedBy(t, 12, fetched(12, append(bytes.Clone(bad), good...)))
		all := batchesIn(t, response.Topics[0].Partitions[0].RecordBatches)
		if len(all) != 2 {
			t.Errorf("%s: %d batches came of two", name, len(all))
			continue
		}
		var r kmsg.Record
		if err := r.ReadFrom(all[0].Records); err != nil || all[0].NumRecords != 1 {
			t.Fatalf("%s: no record stands for the batch: %v", name, err)
		}
		m := &sarama.ConsumerMessage{Headers: []*sarama.RecordHeader{{Key: []byte(r.Headers[0].Key), Value: r.Headers[0].Value}}}
		first, yes := testStandIn.first(m)
		if !yes || first != 7 || r.OffsetDelta != 4 || all[0].FirstTimestamp+r.TimestampDelta64 != 2000 || all[0].Attributes != 0 {
			t.Errorf("%s: the stand-in is %+v, for %d", name, r, first)
		}
	}
}

// Without this a writer could make a good record look like a batch that was passed over.
func TestStandInCannotBeWritten(t *testing.T) {
	for _, headers := range [][]*sarama.RecordHeader{
		nil, {{Key: []byte("stand-in"), Value: make([]byte, 8)}}, {{Key: nil, Value: make([]byte, 8)}},
	} {
		if _, yes := newStandIn().first(&sarama.ConsumerMessage{Headers: headers}); yes {
			t.Errorf("%v stands for a batch", headers)
		}
	}
}

// Without this many batches that have room one by one would take all memory
// together, or a batch that waits for the next answer would be lost.
func TestUnpackEndsAnAnswerThatIsFull(t *testing.T) {
	half := func(first int64) []byte {
		return batch(first, 1, sarama.CompressionZSTD, packed(t, sarama.CompressionZSTD, someRecords(1, testMost*3/5, 0)))
	}
	third := func(first int64) []byte {
		return batch(first, 1, sarama.CompressionZSTD, packed(t, sarama.CompressionZSTD, someRecords(1, testMost*3/10, 0)))
	}
	plain := batch(1, 1, sarama.CompressionNone, someRecords(1, 10, 0))
	large := batch(1, 1, sarama.CompressionNone, someRecords(1, 10, testMost/headerCost+1))
	tests := map[string]struct {
		partitions [][]byte
		want       []int // batches of each
	}{
		"compressed":            {[][]byte{bytes.Join([][]byte{half(0), plain, half(2), plain}, nil), half(0), plain}, []int{2, 0, 1}},
		"all have room":         {[][]byte{third(0), third(1), third(2)}, []int{1, 1, 1}},
		"one larger than all":   {[][]byte{append(bytes.Clone(large), plain...), large, plain}, []int{1, 0, 0}},
		"large after small":     {[][]byte{append(bytes.Clone(plain), large...), plain}, []int{1, 1}},
		"small after one large": {[][]byte{plain, half(0), plain, large}, []int{1, 1, 1, 0}},
	}
	for name, test := range tests {
		response := unpackedBy(t, 11, fetched(11, test.partitions...))
		for partition, want := range test.want {
			if got := len(batchesIn(t, response.Topics[0].Partitions[partition].RecordBatches)); got != want {
				t.Errorf("%s: partition %d has %d batches, want %d", name, partition, got, want)
			}
		}
	}
}

// Without this bytes that were damaged on their way would be taken for good ones.
func TestUnpackLeavesAWrongChecksum(t *testing.T) {
	bad := batch(7, 5, sarama.CompressionZSTD, packed(t, sarama.CompressionZSTD, someRecords(5, 1000, 0)))
	bad[len(bad)-1] ^= 1
	if got := unpackedBy(t, 12, fetched(12, bad)).Topics[0].Partitions[0].RecordBatches; !bytes.Equal(got, bad) {
		t.Error("a damaged batch came out as another")
	}
}

// Without this answers would be mixed up, or a fetch would come through as it is.
func TestWire(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	conn := newWire(near, testMost, testStandIn)
	request := func(key, version int16, id int32) []byte {
		b := binary.BigEndian.AppendUint32(nil, 8)
		b = binary.BigEndian.AppendUint16(b, uint16(key))
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(version)), uint32(id))
	}
	answer := func(id int32, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), uint32(id)), body...)
	}
	if _, err := conn.Write(request(fetchKey, 12, 1)[:6]); err == nil {
		t.Error("a request in parts could fetch unnoticed")
	}
	records := someRecords(300, 1000, 0)
	fetch := fetched(12, batch(0, 300, sarama.CompressionZSTD, packed(t, sarama.CompressionZSTD, records)))
	u := unpacker{codecs: codecs{most: testMost}, standIn: testStandIn}
	unpacked, err := u.answer(12, bytes.Clone(fetch))
	if err != nil {
		t.Fatal(err)
	}
	metadata := bytes.Repeat([]byte("metadata"), 1000)
	failed := make(chan error, 1)
	go func() {
		var seen [3 * 12]byte
		_, err := io.ReadFull(far, seen[:])
		for _, b := range [][]byte{answer(1, metadata), answer(2, fetch), answer(3, nil)} {
			_, e := far.Write(b)
			err = errors.Join(err, e)
		}
		failed <- err
	}()
	for _, r := range [][]byte{request(3, 12, 1), request(fetchKey, 12, 2), request(0, 1, 3)} {
		if _, err := conn.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Join([][]byte{answer(1, metadata), answer(2, unpacked), answer(3, nil)}, nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the answers are others: %v", err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// Without this a broker's answer could end the consumer, or take more memory than is allowed.
func FuzzUnpack(f *testing.F) {
	for _, codec := range codecsInUse() {
		b := batch(7, 5, codec, packed(f, codec, someRecords(5, 100, 2)))
		f.Add(int16(12), fetched(12, b, b))
		f.Add(int16(4), fetched(4, b))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < 0 || version > 12 {
			return
		}
		u := unpacker{codecs: codecs{most: 1 << 16}}
		out, err := u.answer(version, bytes.Clone(body))
		if err == nil && len(out) > len(body)+1<<16+len(body)/batchRecordsAt*200 {
			t.Errorf("%d bytes came of %d", len(out), len(body))
		}
	})
}
