package kafkaconf

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"math"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceResponse is a framed response to a Produce request.
func produceResponse(version int16, id uint32, codes map[int32]int16) []byte {
	response := kmsg.NewPtrProduceResponse()
	response.SetVersion(version)
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "t"
	for partition, code := range codes {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.ErrorCode = partition, code
		topic.Partitions = append(topic.Partitions, p)
	}
	response.Topics = append(response.Topics, topic)
	head := binary.BigEndian.AppendUint32(nil, id)
	if response.IsFlexible() {
		head = append(head, 0)
	}
	return framed(response.AppendTo(head))
}

func framed(response []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(response))), response...)
}

// broker is a connection that returns the bytes of Reader and discards requests.
type broker struct {
	net.Conn
	io.Reader
}

func (b broker) Read(p []byte) (int, error)  { return b.Reader.Read(p) }
func (b broker) Write(p []byte) (int, error) { return len(p), nil }

// request is the beginning of a request with the given API key.
func request(key, version uint16, id uint32) []byte {
	r := binary.BigEndian.AppendUint16(nil, key)
	r = binary.BigEndian.AppendUint16(r, version)
	return framed(binary.BigEndian.AppendUint32(r, id))
}

// Without it a refused producer would not know the reason, because sarama retries silently.
func TestResponsesAreObserved(t *testing.T) {
	t.Parallel()
	codes := map[int32]int16{0: 19, 7: 0}
	for version := uint16(3); version <= 10; version++ {
		stream := framed([]byte("\x00\x00\x00\x01the response to another request"))
		stream = append(stream, produceResponse(int16(version), 2, codes)...)
		stream = append(stream, produceResponse(int16(version), 3, map[int32]int16{1: 1})...) // without a request
		stream = append(stream, framed([]byte("\x00\x00\x00\x04"))...)
		stream = append(stream, produceResponse(int16(version), 5, map[int32]int16{3: 6})...)
		for name, reader := range map[string]func(io.Reader) io.Reader{"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "whole": func(r io.Reader) io.Reader { return r }} {
			got := make(map[int32]int16)
			conn := ObserveProduce(broker{Reader: reader(newReader(stream))}, func(partition int32, code sarama.KError) { got[partition] = int16(code) })
			for _, r := range [][]byte{request(3, 12, 1), request(0, version, 2), request(18, 3, 4), request(0, version, 5)} {
				if _, err := conn.Write(r); err != nil {
					t.Fatal(err)
				}
			}
			through, err := io.ReadAll(conn)
			if err != nil || string(through) != string(stream) {
				t.Errorf("version %d, %s: the response is changed: %v", version, name, err)
			}
			if want := map[int32]int16{0: 19, 7: 0, 3: 6}; !maps.Equal(got, want) {
				t.Errorf("version %d, %s: got %v, want %v", version, name, got, want)
			}
		}
	}
}

func newReader(b []byte) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := w.Write(b)
		w.CloseWithError(err)
	}()
	return r
}

// Without it a broker could crash the producer, or fill its memory, with a response.
func FuzzResponses(f *testing.F) {
	f.Add(uint16(9), produceResponse(9, 1, map[int32]int16{0: 19}), 3)
	f.Add(uint16(3), produceResponse(3, 1, map[int32]int16{0: 6, 1: 0}), 1)
	f.Add(uint16(8), append(produceResponse(8, 2, nil), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 9), 5)
	f.Fuzz(func(t *testing.T, version uint16, stream []byte, step int) {
		results := 0
		c, ok := ObserveProduce(broker{Reader: bytes.NewReader(stream)}, func(int32, sarama.KError) { results++ }).(*observedConn)
		if !ok {
			t.Fatal("got another type")
		}
		if _, err := c.Write(request(0, version, 1)); err != nil {
			t.Fatal(err)
		}
		part := make([]byte, min(max(step, 1), 1<<20))
		for err := error(nil); err == nil; {
			_, err = c.Read(part)
			if len(c.body) > maxBody+1 {
				t.Fatalf("%d bytes are buffered", len(c.body))
			}
		}
		if results > len(stream) {
			t.Errorf("got %d results from %d bytes", results, len(stream))
		}
	})
}

// Without it a connection would grow the memory with each response that is too long to be one of interest.
func TestLongResponsesAreDropped(t *testing.T) {
	t.Parallel()
	stream := append(framed(make([]byte, 3*maxBody)), produceResponse(9, 2, map[int32]int16{0: 19})...)
	results := 0
	c, ok := ObserveProduce(broker{Reader: bytes.NewReader(stream)}, func(int32, sarama.KError) { results++ }).(*observedConn)
	if !ok {
		t.Fatal("got another type")
	}
	for _, id := range []uint32{0, 2} {
		if _, err := c.Write(request(0, 9, id)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := io.Copy(io.Discard, c); err != nil || n != int64(len(stream)) {
		t.Errorf("read %d bytes of %d, %v", n, len(stream), err)
	}
	if results != 1 || cap(c.body) > 2*maxBody || len(c.versions) != 0 {
		t.Errorf("got %d results; %d bytes are held, %d requests wait", results, cap(c.body), len(c.versions))
	}
}

// Without it a broker could stop the producer for minutes with 20 bytes: kmsg's decoder loops once for each tagged field
// that a response claims to have, even if no bytes are left.
func TestClaimedTagsCostNothing(t *testing.T) {
	t.Parallel()
	fastest := func(response string) time.Duration {
		best := time.Duration(math.MaxInt64)
		for range 5 {
			conn := ObserveProduce(broker{Reader: bytes.NewReader(framed([]byte(response)))}, func(int32, sarama.KError) { t.Error("got a result") })
			if _, err := conn.Write(request(0, 9, 1)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	const id, many = "\x00\x00\x00\x01", "\xff\xff\xff\xff\x07"
	few := fastest(id + "\x01")
	for where, response := range map[string]string{
		"in the header": id + many,
		"at the end":    id + "\x00\x01\x00\x00\x00\x00" + many,
		"of a topic":    id + "\x00\x02\x02t\x01" + many,
	} {
		if got := fastest(response); got > 100_000*few {
			t.Errorf("2147483647 tags %s take %s, one takes %s", where, got, few)
		}
	}
}
