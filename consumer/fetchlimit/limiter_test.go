package fetchlimit

import (
	"testing"

	"github.com/IBM/sarama"
)

// Without it a writer could fill the memory with headers, which would not be counted.
func TestMessageSizeCountsHeaders(t *testing.T) {
	m := &sarama.ConsumerMessage{Value: []byte("plain"), Headers: []*sarama.RecordHeader{{Key: []byte("k"), Value: []byte("abc")}, {Key: []byte("null")}}}
	if got, want := MessageSize(m), messageCost+len("plain")+2*headerCost+len("k")+len("abc")+len("null"); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
}
