package fetchlimit

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Without it compressed records would be lost or changed.
func TestRewriteKeepsRecords(t *testing.T) {
	plain, records := makeBatch(0, 2, sarama.CompressionNone, makeRecords(2, 10, 1)), makeRecords(300, 1000, 2)
	for _, version := range []int16{4, 11, 12} {
		for _, codec := range allCodecs() {
			tail := plain[:len(plain)-1] // brokers cut off the last batch
			body := fetchResponse(version, append(append(bytes.Clone(plain), makeBatch(2, 300, codec, compress(t, codec, records))...), tail...))
			got := rewrite(t, version, body).Topics[0].Partitions[0].RecordBatches
			if !bytes.HasSuffix(got, tail) {
				t.Fatalf("%v: the batch that is cut off is lost", codec)
			}
			all := parseBatches(t, got[:len(got)-len(tail)])
			if len(all) != 2 || !bytes.Equal(all[1].Records, records) || all[1].Attributes != 0 || all[1].NumRecords != 300 || all[1].FirstOffset != 2 {
				t.Errorf("version %d, %v: got %d batches", version, codec, len(all))
			}
		}
		body := fetchResponse(version, plain)
		if out, err := testRewriter(unlimited()).rewriteResponse(sentFetch{version: version}, body); err != nil || &out[0] != &body[0] {
			t.Errorf("version %d: a response without compressed batches is copied: %v", version, err)
		}
	}
}

// Without it a writer could use up all memory with a few bytes, or stop the reading with one batch.
func TestRewriteReplacesBadBatches(t *testing.T) {
	half := compress(t, sarama.CompressionZSTD, makeRecords(5, 1000, 0))
	half = half[:len(half)/2]
	tests := map[string][]byte{
		"many headers":      makeBatch(7, 5, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(5, 1, 10_000))),
		"many records":      makeBatch(7, 5, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(20_000, 0, 0))),
		"damaged":           makeBatch(7, 5, sarama.CompressionZSTD, half),
		"no records":        makeBatch(7, 5, sarama.CompressionGZIP, compress(t, sarama.CompressionGZIP, []byte("something else"))),
		"an unknown codec":  makeBatch(7, 5, 5, []byte("compressed")),
		"headers in excess": makeBatch(7, 5, sarama.CompressionGZIP, compress(t, sarama.CompressionGZIP, []byte{14, 0, 0, 0, 1, 1, 0xfe, 1})),
	}
	for _, codec := range allCodecs() {
		tests[fmt.Sprint("codec ", int(codec))] = makeBatch(7, 5, codec, compress(t, codec, makeRecords(5, testMaxBatch, 0)))
	}
	broken := []string{"damaged", "no records", "an unknown codec", "headers in excess"}
	for _, codec := range allCodecs() {
		name := fmt.Sprint("damaged with codec ", int(codec))
		whole := compress(t, codec, makeRecords(5, 1000, 0))
		tests[name], broken = makeBatch(7, 5, codec, whole[:len(whole)/2]), append(broken, name)
	}
	good := makeBatch(12, 1, sarama.CompressionNone, makeRecords(1, 10, 0))
	for name, bad := range tests {
		response := rewrite(t, 12, fetchResponse(12, append(bytes.Clone(bad), good...)))
		all := parseBatches(t, response.Topics[0].Partitions[0].RecordBatches)
		if len(all) != 2 {
			t.Errorf("%s: two batches became %d", name, len(all))
			continue
		}
		var r kmsg.Record
		if err := r.ReadFrom(all[0].Records); err != nil || all[0].NumRecords != 1 {
			t.Fatalf("%s: there is no placeholder: %v", name, err)
		}
		m := &sarama.ConsumerMessage{Headers: []*sarama.RecordHeader{{Key: []byte(r.Headers[0].Key), Value: r.Headers[0].Value}}}
		skipped, ok := (&Limiter{placeholderKey: testPlaceholderKey}).Placeholder(m)
		want := TooLarge
		if slices.Contains(broken, name) {
			want = Damaged
		}
		if skipped.Reason != want {
			t.Errorf("%s: the reason is %c, want %c", name, skipped.Reason, want)
		}
		if !ok || skipped.First != 7 || r.OffsetDelta != 4 || all[0].FirstTimestamp+r.TimestampDelta64 != 2000 || all[0].Attributes != 0 {
			t.Errorf("%s: the placeholder is %+v, for %+v", name, r, skipped)
		}
	}
}

// Without it a writer could make a good record look like a skipped batch.
func TestPlaceholderCannotBeForged(t *testing.T) {
	for _, headers := range [][]*sarama.RecordHeader{
		nil, {{Key: []byte("placeholder"), Value: make([]byte, placeholderValueSize)}}, {{Key: nil, Value: make([]byte, placeholderValueSize)}},
	} {
		if _, ok := New(testMaxBatch).Placeholder(&sarama.ConsumerMessage{Headers: headers}); ok {
			t.Errorf("%v is taken for a placeholder", headers)
		}
	}
}

// Without it many batches that fit one by one would together use up all memory, or a batch that has to wait for the
// next response would be lost.
func TestRewriteEndsAFullResponse(t *testing.T) {
	half := func(first int64) []byte {
		return makeBatch(first, 1, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(1, testMaxBatch*3/5, 0)))
	}
	third := func(first int64) []byte {
		return makeBatch(first, 1, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(1, testMaxBatch*3/10, 0)))
	}
	plain := makeBatch(1, 1, sarama.CompressionNone, makeRecords(1, 10, 0))
	large := makeBatch(1, 1, sarama.CompressionNone, makeRecords(1, 10, testMaxBatch/headerCost+1))
	tests := map[string]struct {
		partitions [][]byte
		want       []int // number of batches of each
	}{
		"compressed":            {[][]byte{bytes.Join([][]byte{half(0), plain, half(2), plain}, nil), half(0), plain}, []int{2, 0, 1}},
		"all fit":               {[][]byte{third(0), third(1), third(2)}, []int{1, 1, 1}},
		"one larger than all":   {[][]byte{append(bytes.Clone(large), plain...), large, plain}, []int{1, 0, 0}},
		"large after small":     {[][]byte{append(bytes.Clone(plain), large...), plain}, []int{1, 1}},
		"small after one large": {[][]byte{plain, half(0), plain, large}, []int{1, 1, 1, 0}},
	}
	for name, test := range tests {
		response := rewrite(t, 11, fetchResponse(11, test.partitions...))
		for partition, want := range test.want {
			if got := len(parseBatches(t, response.Topics[0].Partitions[partition].RecordBatches)); got != want {
				t.Errorf("%s: partition %d has %d batches, want %d", name, partition, got, want)
			}
		}
	}
}

// Without it sarama could not see that a batch was damaged on its way, and request it again.
func TestRewriteKeepsAWrongChecksum(t *testing.T) {
	bad := makeBatch(7, 5, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(5, 1000, 0)))
	bad[len(bad)-1] ^= 1
	if got := rewrite(t, 12, fetchResponse(12, bad)).Topics[0].Partitions[0].RecordBatches; !bytes.Equal(got, bad) {
		t.Error("a damaged batch was changed")
	}
}

// Without it a broker's response could crash the consumer, or take more memory than allowed.
func FuzzRewriteResponse(f *testing.F) {
	for _, codec := range allCodecs() {
		b := makeBatch(7, 5, codec, compress(f, codec, makeRecords(5, 100, 2)))
		f.Add(int16(12), fetchResponse(12, b, b))
		f.Add(int16(4), fetchResponse(4, b))
		f.Add(int16(12), fetchResponse(12, append(makeBatch(0, 5, sarama.CompressionNone, makeRecords(5, 100, 2)), b...))[1:]) // as cutResponse gets it
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < 0 || version > 12 {
			return
		}
		r := newRewriter(1<<16, testPlaceholderKey, unlimited(), nil)
		out, err := r.rewriteResponse(sentFetch{version: version}, bytes.Clone(body))
		if err == nil && len(out) > len(body)+1<<16+len(body)/batchRecordsAt*200 {
			t.Errorf("%d bytes became %d", len(body), len(out))
		}

		cut := bytes.Clone(body)
		if r.cutResponse(sentFetch{version: version}, cut) != nil {
			return
		}
		used := r.limit - r.left
		if version >= flexibleVersion {
			cut = append([]byte{0}, cut...) // the header's tagged fields
		}
		out, err = r.rewriteResponse(sentFetch{version: version}, cut)
		if err != nil || r.changed || len(out) != len(cut) || r.limit-r.left != used {
			t.Errorf("a response that was cut off still needs a change, or takes %d bytes instead of %d: %v", r.limit-r.left, used, err)
		}
	})
}
