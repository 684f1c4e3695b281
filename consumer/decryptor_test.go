package consumer

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// Without it the consumer would crash on "Msg 10" after "Msg 9", or one plaintext would overwrite another: the length of
// an rsa record does not tell the length of its plaintext, so the buffer for a batch can be too small.
func TestPlaintextsOfABatch(t *testing.T) {
	key := newKey(t)
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE} {
		for name, length := range map[string]func(int) int{
			"longer":  func(i int) int { return 5 * i },
			"shorter": func(i int) int { return 100 - 5*i },
			"mixed":   func(i int) int { return i * 37 % 101 },
		} {
			t.Run(fmt.Sprint(format, "/", name), func(t *testing.T) {
				p, s := newPipeline(t), newSealer(t, key, format)
				useKeys(t, p, key)
				batch, want := make([]result, 20), make([]string, 20)
				for i := range batch {
					want[i] = strings.Repeat(string(rune('a'+i)), length(i))
					batch[i].record = &feed.Record{Topic: "t", Offset: int64(i), Stored: seal(t, s, want[i], 0)}
				}
				p.decryptor.decryptAll(p.decryptor.opener.Load(), batch)
				for i := range batch {
					if got := batch[i].record; got.State != feed.StateDecrypted || string(got.Value) != want[i] {
						t.Errorf("record %d is %v: %q, want %q", i, got.State, got.Value, want[i])
					}
				}
			})
		}
	}
}

// Without it a record's headers would be missing on the page, or would change when the memory of the fetch is reused.
func TestHeadersAreKept(t *testing.T) {
	p := newPipeline(t)
	value := []byte("abc")
	m := &sarama.ConsumerMessage{Topic: "t", Value: []byte("plain"), Headers: []*sarama.RecordHeader{{Key: []byte("k"), Value: value}, {Key: []byte("null")}}}
	var b batchBuffers
	p.process(&b, []*sarama.ConsumerMessage{m})
	copy(value, "xyz")
	got := p.feed.Records()[0].Headers
	if len(got) != 2 || got[0].Key != "k" || string(got[0].Value) != "abc" || got[1].Key != "null" || got[1].Value != nil {
		t.Errorf("got %q", got)
	}
}

// Without it the page would call an intact record of another library damaged, or say that Kafka's operators can read it.
func TestUnsupportedJWEs(t *testing.T) {
	compact := func(header string) string {
		part := func(size int) string { return base64.RawURLEncoding.EncodeToString(make([]byte, size)) }
		return strings.Join([]string{base64.RawURLEncoding.EncodeToString([]byte(header)), part(256), part(12), part(5), part(16)}, ".")
	}
	p := newPipeline(t)
	for name, c := range map[string]struct {
		value string
		want  feed.Unsupported
	}{
		"cipher":      {compact(`{"alg":"RSA-OAEP-256","enc":"A128GCM"}`), feed.Unsupported{Reason: feed.UnsupportedAlgorithm, Alg: "RSA-OAEP-256", Enc: "A128GCM"}},
		"key wrap":    {compact(`{"alg":"RSA-OAEP","enc":"A256GCM"}`), feed.Unsupported{Reason: feed.UnsupportedAlgorithm, Alg: "RSA-OAEP", Enc: "A256GCM"}},
		"odd name":    {compact(`{"alg":"RSA-OAEP-256","enc":"<b>"}`), feed.Unsupported{Reason: feed.UnsupportedAlgorithm, Alg: "RSA-OAEP-256"}},
		"compression": {compact(`{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`), feed.Unsupported{Reason: feed.UnsupportedExtension, Alg: "RSA-OAEP-256", Enc: "A256GCM"}},
		"broken":      {strings.Replace(compact(`{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":7}`), ".", ".*", 1), feed.Unsupported{}},
	} {
		got := p.decryptor.decryptBatch([]*sarama.ConsumerMessage{{Topic: "t", Value: []byte(c.value)}}, nil)[0].record
		if got.State != feed.StateMalformed || got.Unsupported != c.want {
			t.Errorf("%s: %s, %+v, want %+v", name, got.State, got.Unsupported, c.want)
		}
	}
}

// Without it a deleted record would raise an alarm about plaintext at night, or an empty value from a writer without
// encryption would pass as a deletion.
func TestTombstonesAreNotPlain(t *testing.T) {
	p := newPipeline(t)
	var b batchBuffers
	p.process(&b, []*sarama.ConsumerMessage{
		{Topic: "t", Offset: 0, Key: []byte("k")},
		{Topic: "t", Offset: 1, Key: []byte("k"), Value: []byte{}},
		{Topic: "t", Offset: 2, Value: []byte("in the clear")},
	})
	useKeys(t, p, newKey(t))
	want := []feed.State{feed.StateTombstone, feed.StatePlain, feed.StatePlain}
	for i, record := range p.feed.Records() {
		if record.State != want[i] {
			t.Errorf("record %d is %s, want %s", i, record.State, want[i])
		}
	}
	for state, n := range map[feed.State]float64{feed.StateTombstone: 1, feed.StatePlain: 2} {
		if got := testutil.ToFloat64(p.metrics.records.WithLabelValues("t", string(state))); got != n {
			t.Errorf("%v are counted as %s, want %v", got, state, n)
		}
	}
}

// Without it all records of a batch whose first record has no timestamp would lose theirs.
func TestTimestampOfAMessage(t *testing.T) {
	now := time.UnixMilli(1_764_400_000_123)
	none := time.Time{} // sarama's value for -1
	for name, test := range map[string]struct{ got, want time.Time }{
		"none":              {none, none},
		"a time":            {now, now},
		"1970":              {time.UnixMilli(0), time.UnixMilli(0)},
		"after one without": {none.Add(time.Duration(now.UnixMilli()+1) * time.Millisecond), now},
		"before 1970":       {time.UnixMilli(-1), none},
		"before one":        {none.Add(-time.Hour), none},
	} {
		if got := timestamp(&sarama.ConsumerMessage{Timestamp: test.got}); !got.Equal(test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// Without it a message would run into the next one of its batch, or junk would take its memory twice.
func TestMessagesShareTheMemoryOfABatch(t *testing.T) {
	key := newKey(t)
	p, s := newPipeline(t), newSealer(t, key, envelope.FormatEnvelope)
	useKeys(t, p, key)
	var b batchBuffers
	roomFor := func(batch []*sarama.ConsumerMessage) (most int) {
		b.results = p.decryptor.decryptBatch(batch, b.results)
		for i, r := range b.results {
			if r.room != nil {
				t.Errorf("record %d still has room", i)
			}
			if r.record.State != feed.StateDecrypted {
				continue
			}
			if got := r.record.Value; string(got) != fmt.Sprint(i) || cap(got) != len(got) {
				t.Errorf("record %d is %q, with a capacity of %d", i, got, cap(got))
			}
		}
		p.decryptor.makeRoom(b.results)
		for i := range b.results {
			most = max(most, cap(b.results[i].room))
		}
		return most
	}
	sealed := messages(0, sealedTexts(t, s, 20)...)
	for range 2 { // the second one has room from the start
		if roomFor(sealed) != 2 {
			t.Error("messages of a batch that is decrypted share no memory")
		}
	}
	if most := roomFor(messages(0, []byte("plain"), []byte("text"))); most != 0 {
		t.Errorf("records that are not encrypted get %d bytes for a message", most)
	}
	if most := roomFor(messages(0, sealedTexts(t, newSealer(t, newKey(t), envelope.FormatEnvelope), 3)...)); most != 0 {
		t.Errorf("records that nobody decrypts get %d bytes for a message", most)
	}
}
