package consumer

import (
	"bytes"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/web/feed"
)

// Without it a row would keep a whole fetch response in memory, which the feed does not count, or show another record's
// bytes.
func TestRowsHaveTheirOwnBytes(t *testing.T) {
	response := []byte("key 0|value 0|header 0|key 1|value 1|header 1")
	part := func(text string) []byte {
		at := bytes.Index(response, []byte(text))
		return response[at : at+len(text)]
	}
	batch := []*sarama.ConsumerMessage{
		{Topic: "t", Offset: 0, Key: part("key 0"), Value: part("value 0"), Headers: []*sarama.RecordHeader{{Key: part("header 0")}, {Value: part("header 0")}}},
		{Topic: "t", Offset: 1, Key: response[:0], Value: nil},
		{Topic: "t", Offset: 2, Key: nil, Value: response[:0], Headers: []*sarama.RecordHeader{{Value: response[:0]}}},
		{Topic: "t", Offset: 3, Key: part("key 1"), Value: part("value 1"), Headers: []*sarama.RecordHeader{{Value: part("header 1")}}},
	}
	p := newPipeline(t)
	p.process(&batchBuffers{}, batch)
	for i := range response {
		response[i] = 'X' // as the memory of a response that is used again
	}
	r := p.feed.Records()
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return string(b)
	}
	for i, want := range []string{"key 0 value 0", " null", "null ", "key 1 value 1"} {
		if got := text(r[i].Key) + " " + text(r[i].Stored); got != want {
			t.Errorf("record %d is %q, want %q", i, got, want)
		}
	}
	if h := r[0].Headers; h[0].Key != "header 0" || h[0].Value != nil || text(h[1].Value) != "header 0" || text(r[2].Headers[0].Value) != "" || text(r[3].Headers[0].Value) != "header 1" {
		t.Errorf("the headers are %q, %q, %q", r[0].Headers, r[2].Headers, r[3].Headers)
	}
	for i := range r {
		for _, b := range [][]byte{r[i].Key, r[i].Stored} {
			if len(b) != cap(b) {
				t.Errorf("record %d can grow into the bytes of another one", i)
			}
		}
	}
	if r[1].State != feed.StateTombstone {
		t.Errorf("the record without a value is %s", r[1].State)
	}
}
