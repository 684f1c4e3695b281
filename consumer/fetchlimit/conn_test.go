package fetchlimit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// Without it responses would be mixed up, or a fetch response would pass unbounded.
func TestConn(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	rewriter, started := testRewriter(newBudget(testMaxBatch)), time.Now()
	var fetched []FetchedPartition
	rewriter.onPartition = func(f FetchedPartition) { fetched = append(fetched, f) }
	conn := newFetchConn(near, rewriter)
	request := func(key, version int16, id int32) []byte {
		b := binary.BigEndian.AppendUint32(nil, 8)
		b = binary.BigEndian.AppendUint16(b, uint16(key))
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(version)), uint32(id))
	}
	answer := func(id int32, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), uint32(id)), body...)
	}
	if _, err := conn.Write(request(fetchKey, 12, 1)[:6]); err == nil {
		t.Error("a request in parts could hide a fetch")
	}
	records := makeRecords(300, 1000, 0)
	fetch := fetchResponse(12, makeBatch(0, 300, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, records)))
	unpacked, err := testRewriter(unlimited()).rewriteResponse(sentFetch{version: 12}, bytes.Clone(fetch))
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
	written := time.Now()
	want := bytes.Join([][]byte{answer(1, metadata), answer(2, unpacked), answer(3, nil)}, nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the responses differ: %v", err)
	}
	if len(fetched) != 1 || fetched[0].HighWatermark != 1000 || fetched[0].Code != sarama.ErrNoError || fetched[0].Sent.Before(started) || fetched[0].Sent.After(written) {
		t.Errorf("fetched: %+v", fetched)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// Without it each closed connection would shrink the budget forever.
func TestClosedConnectionReleasesBudget(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go io.Copy(io.Discard, far) //nolint:errcheck // until it is closed
	b := newBudget(testMaxBatch)
	conn := newFetchConn(near, testRewriter(b))
	if _, err := conn.Write(fetchRequest(12, 1, 3, 4)); err != nil {
		t.Fatal(err)
	}
	b.add(3, 100)
	b.add(4, 10)
	b.add(5, 1) // another connection's
	if _, err := conn.Write(fetchRequest(12, 2, 4)); err != nil {
		t.Fatal(err)
	}
	if b.used != 101 {
		t.Errorf("after a second request %d bytes are held, want 101", b.used)
	}
	if err := conn.Close(); err != nil || b.used != 1 {
		t.Errorf("after Close %d bytes are held, want 1: %v", b.used, err)
	}
}

// Without it a broker could make the consumer allocate memory just by claiming lengths.
func TestLengthsTakeNoMemory(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := newFetchConn(near, testRewriter(unlimited()))
	go func() {
		request := make([]byte, len(fetchRequest(12, 1, 0)))
		_, _ = io.ReadFull(far, request)                                                                    //nolint:errcheck // it fails below then
		_, _ = far.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 100_000_000), 1)) //nolint:errcheck // as above
		_, _ = far.Write(make([]byte, 1000))                                                                //nolint:errcheck // as above
		far.Close()
	}()
	if _, err := c.Write(fetchRequest(12, 1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 8)); err == nil || cap(c.received) > 2*firstBuffer {
		t.Errorf("%d bytes were allocated for a response of 1000: %v", cap(c.received), err)
	}
	for id := range int32(maxInFlight) {
		c.inFlight[100+id] = sentFetch{version: 12}
	}
	if _, err := c.Write(fetchRequest(12, 2, 0)); err == nil {
		t.Error("requests without a response are remembered without a limit")
	}

	other := newFetchConn(&readOnlyConn{Reader: bytes.NewReader(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, math.MaxInt32), 1))}, testRewriter(unlimited()))
	if n, err := other.Read(make([]byte, 8)); err == nil {
		t.Errorf("a response of 2 GiB begins with %d bytes", n)
	}
}

// readOnlyConn is a connection that only sends.
type readOnlyConn struct {
	net.Conn
	io.Reader
}

func (c *readOnlyConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// Without it sarama would repeat a starved fetch in a busy loop.
func TestStarvedFetchWaits(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	b := newBudget(testMaxBatch)
	b.add(9, testMaxBatch)
	conn := newFetchConn(near, testRewriter(b))
	answer := fetchResponse(12, makeBatch(0, 1, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(1, testMaxBatch/2, 0))))
	go func() {
		request := make([]byte, len(fetchRequest(12, 1, 0)))
		_, _ = io.ReadFull(far, request)                                                                                                 //nolint:errcheck // it fails below then
		_, _ = far.Write(append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(answer)+4)), 1), answer...)) //nolint:errcheck // as above
	}()
	if _, err := conn.Write(fetchRequest(12, 1, 0)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var length [8]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil || binary.BigEndian.Uint32(length[:]) > testMaxBatch/2 {
		t.Errorf("got %d bytes: %v", binary.BigEndian.Uint32(length[:]), err)
	}
	if took := time.Since(began); took < starvedDelay {
		t.Errorf("got a response after %s", took)
	}
}
