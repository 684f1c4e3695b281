package fetchlimit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// fetchConn is a connection to a broker. It rewrites fetch responses and passes everything else through.
type fetchConn struct {
	net.Conn
	rewriter *rewriter

	mu         sync.Mutex
	inFlight   map[int32]sentFetch // without a response, by correlation id
	partitions map[int32]bool      // all partitions that were requested

	header      [9]byte        // length, correlation id and, from version 12 on, tagged fields of the current response
	unread      []byte         // what Read returns next
	body        []byte         // what Read returns after unread
	received    reusableBuffer // the current response as the broker sent it
	passThrough int64          // bytes of the current response that pass unchanged
	direct      directResponse // the current response if it is read into the memory of Read's caller
	unchanged   int            // large responses since the last one that changed
}

// sentFetch is what is needed of a Fetch request to read its response.
type sentFetch struct {
	version int16
	sent    time.Time // or shortly before
}

func newFetchConn(conn net.Conn, r *rewriter) *fetchConn {
	return &fetchConn{Conn: conn, rewriter: r, inFlight: make(map[int32]sentFetch), partitions: make(map[int32]bool)}
}

const (
	// maxInFlight bounds inFlight. sarama sends at most five requests at once.
	maxInFlight = 64
	// maxOtherResponse is the longest response to other requests. The metadata of a thousand partitions takes 50 KB.
	maxOtherResponse = 8 << 20
	// firstBuffer is the initial size of a response's buffer. The response's announced length is only the peer's claim.
	firstBuffer = 1 << 20
	// starvedDelay delays a response without records, because sarama repeats the request at once.
	starvedDelay = 200 * time.Millisecond
)

// Write sends one request, which must be whole.
func (c *fetchConn) Write(request []byte) (int, error) {
	if len(request) < requestHeader || int(binary.BigEndian.Uint32(request))+4 != len(request) {
		return 0, errors.New("writing to a broker: part of a request, which could hide a fetch")
	}
	if binary.BigEndian.Uint16(request[4:]) == fetchKey {
		if err := c.noteFetch(request); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(request)
}

// noteFetch records a Fetch request, to recognize its response.
func (c *fetchConn) noteFetch(request []byte) error {
	version := int16(binary.BigEndian.Uint16(request[6:]))
	partitions := requestedPartitions(version, request)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.inFlight) >= maxInFlight {
		return fmt.Errorf("fetching: %d requests without a response", maxInFlight)
	}
	c.inFlight[correlationID(request[8:])] = sentFetch{version, time.Now()}
	for _, id := range partitions {
		c.partitions[id] = true
	}
	c.rewriter.budget.release(partitions...)
	return nil
}

// Close releases the budget of the partitions that were requested on this connection, because no later request will do
// so.
func (c *fetchConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rewriter.budget.release(slices.Collect(maps.Keys(c.partitions))...)
	clear(c.partitions)
	return c.Conn.Close()
}

// Read reads the responses, one after the other.
func (c *fetchConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		c.unread, c.body = c.body, nil
	}
	if len(c.unread) == 0 && c.passThrough == 0 && c.direct.size == 0 {
		if err := c.nextResponse(); err != nil {
			return 0, err
		}
	}
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	if c.direct.size > 0 {
		return c.readDirect(p)
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.passThrough)])
	c.passThrough -= int64(n)
	return n, err
}

// nextResponse reads the header of the next response. It reads and rewrites the whole response to a fetch.
func (c *fetchConn) nextResponse() error {
	header := c.header[:8]
	if _, err := io.ReadFull(c.Conn, header); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(header))
	c.mu.Lock()
	id := correlationID(header[4:])
	request, fetch := c.inFlight[id]
	delete(c.inFlight, id)
	c.mu.Unlock()
	if !fetch || length < 4 || length > int64(sarama.MaxResponseSize) { // sarama refuses longer ones
		if !fetch && length > maxOtherResponse {
			return fmt.Errorf("reading from a broker: a response of %d bytes, want at most %d", length, maxOtherResponse)
		}
		c.unread, c.passThrough = header, max(length-4, 0)
		return nil
	}
	if c.mayReadDirectly(length) {
		return c.announce(request, length)
	}
	if err := c.receive(int(length - 4)); err != nil {
		return err
	}
	body, err := c.rewriter.rewriteResponse(request, c.received)
	if err != nil {
		return err
	}
	c.rewritten(length)
	binary.BigEndian.PutUint32(header, uint32(len(body)+4))
	c.unread, c.body = header, body
	return nil
}

// rewritten notes whether a response of a length changed, and delays one without records.
func (c *fetchConn) rewritten(length int64) {
	switch {
	case c.rewriter.changed:
		c.unchanged = 0
	case length >= minDirect:
		c.unchanged++
	}
	if c.rewriter.starved() {
		time.Sleep(starvedDelay)
	}
}

// receive reads a response of size bytes. Its buffer grows as the bytes arrive.
func (c *fetchConn) receive(size int) error {
	c.received.reset()
	for len(c.received) < size {
		if len(c.received) == cap(c.received) {
			c.received = slices.Grow(c.received, min(max(len(c.received), firstBuffer), size-len(c.received)))
		}
		from := len(c.received)
		c.received = c.received[:min(cap(c.received), size)]
		if _, err := io.ReadFull(c.Conn, c.received[from:]); err != nil {
			return err
		}
	}
	return nil
}
