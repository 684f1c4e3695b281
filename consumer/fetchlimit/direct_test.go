package fetchlimit

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetcher fetches over a connection as sarama does, from a peer that answers with given bodies.
type fetcher struct {
	*testing.T
	conn *fetchConn
	in   *bufio.Reader
	peer net.Conn
	id   int32
}

func newFetcher(t *testing.T, b *budget) *fetcher {
	near, far := net.Pipe()
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	conn := newFetchConn(near, testRewriter(b))
	return &fetcher{T: t, conn: conn, in: bufio.NewReader(conn), peer: far}
}

// fetch returns the body that arrives if the broker answers with one.
func (f *fetcher) fetch(version int16, body []byte) []byte {
	f.Helper()
	f.id++
	request := fetchRequest(version, f.id, 0)
	answered := make(chan error, 1)
	go func() {
		if _, err := io.ReadFull(f.peer, make([]byte, len(request))); err != nil {
			answered <- err
			return
		}
		answer := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), uint32(f.id))
		_, err := f.peer.Write(append(answer, body...))
		answered <- err
	}()
	if _, err := f.conn.Write(request); err != nil {
		f.Fatal(err)
	}
	header := make([]byte, 8)
	if version >= flexibleVersion {
		header = make([]byte, 9)
	}
	if _, err := io.ReadFull(f.in, header); err != nil {
		f.Fatal(err)
	}
	got := make([]byte, int(binary.BigEndian.Uint32(header))+4-len(header))
	if _, err := io.ReadFull(f.in, got); err != nil {
		f.Fatal(err)
	}
	if err := <-answered; err != nil {
		f.Fatal(err)
	}
	return append(bytes.Clone(header[8:]), got...)
}

// batches returns the batches of each partition that a client takes from a response: all before one that is cut off.
func (f *fetcher) batches(version int16, body []byte) (partitions [][]kmsg.RecordBatch) {
	f.Helper()
	response := &kmsg.FetchResponse{Version: version}
	if response.IsFlexible() {
		body = body[1:]
	}
	if err := response.ReadFrom(body); err != nil {
		f.Fatal(err)
	}
	for _, p := range response.Topics[0].Partitions {
		whole := p.RecordBatches
		for rest := whole; ; {
			size, _ := firstBatch(rest)
			if rest = rest[size:]; size == 0 {
				whole = whole[:len(whole)-len(rest)]
				break
			}
		}
		partitions = append(partitions, parseBatches(f, whole))
	}
	return partitions
}

// Without it records would be lost, changed or unbounded in responses that are read without a copy.
func TestDirectResponses(t *testing.T) {
	plain := makeBatch(0, 100, sarama.CompressionNone, makeRecords(100, 1000, 1))
	packed := makeBatch(100, 5, sarama.CompressionZSTD, compress(t, sarama.CompressionZSTD, makeRecords(5, 1000, 0)))
	costly := makeBatch(0, 100, sarama.CompressionNone, makeRecords(100, 10, 50)) // in memory a third of a response
	tail := plain[:len(plain)-1]
	join := func(all ...[]byte) []byte { return bytes.Join(all, nil) }
	tests := map[string]struct {
		partitions [][]byte
		want       []int // batches of each
	}{
		"plain":               {[][]byte{join(plain, plain), join(plain, tail)}, []int{2, 1}},
		"packed behind plain": {[][]byte{join(plain, packed, plain), plain}, []int{1, 1}},
		"packed first":        {[][]byte{join(packed, plain), plain}, []int{0, 1}},
		"more than fits":      {[][]byte{plain, bytes.Repeat(costly, 4), plain}, []int{1, 2, 1}},
	}
	for _, version := range []int16{4, 11, 12} {
		for name, test := range tests {
			f := newFetcher(t, unlimited())
			for range directAfter {
				f.fetch(version, fetchResponse(version, plain))
			}
			body := fetchResponse(version, test.partitions...)
			got := f.fetch(version, body)
			if cap(f.conn.received) > 0 {
				t.Errorf("version %d, %s: the response was copied", version, name)
			}
			for i, all := range f.batches(version, got) {
				if len(all) != test.want[i] {
					t.Errorf("version %d, %s: partition %d has %d batches, want %d", version, name, i, len(all), test.want[i])
				}
			}
			again := f.fetch(version, body)
			if name == "plain" {
				if !bytes.Equal(got, body) || !bytes.Equal(again, body) {
					t.Errorf("version %d: a response that needs no change has changed", version)
				}
				continue
			}
			if all := f.batches(version, again); len(all[0]) == 0 {
				t.Errorf("version %d, %s: requested again, the response has no records either", version, name)
			}
		}
	}
}

// Without it the group's shared bound would not hold for responses that are read without a copy.
func TestDirectResponsesKeepToTheBudget(t *testing.T) {
	b := newBudget(3 * testMaxBatch)
	f := newFetcher(t, b)
	body := fetchResponse(12, makeBatch(0, 100, sarama.CompressionNone, makeRecords(100, 1000, 1)))
	for range directAfter {
		f.fetch(12, body)
	}
	b.add(9, 3*testMaxBatch) // what another partition's slow reader holds
	if all := f.batches(12, f.fetch(12, body)); len(all[0]) != 0 {
		t.Errorf("%d batches pass although the budget is used up", len(all[0]))
	}
	b.release(9)
	if all := f.batches(12, f.fetch(12, body)); len(all[0]) != 1 {
		t.Errorf("%d batches pass once there is a budget again, want 1", len(all[0]))
	}
}

// Without it a broker's claim of a length would make sarama allocate that much.
func TestLongResponsesAreNotDirect(t *testing.T) {
	c := newFetchConn(nil, testRewriter(unlimited()))
	c.unchanged = directAfter
	if !c.mayReadDirectly(testMaxBatch) || c.mayReadDirectly(testMaxBatch+1) {
		t.Error("a response may be longer than the memory that one may take")
	}
}
