package kafkaconf

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf/wire"
)

// observedConn is a connection to a broker that reports the responses to one kind of request. It changes nothing.
type observedConn struct {
	net.Conn
	kind
	onResponse func(version int16, body *wire.Reader)

	mu       sync.Mutex
	versions map[int32]int16 // of the requests in flight, by correlation id

	frames frameReader
	body   []byte // of the current response, up to maxBody+1 bytes
}

// kind is a kind of request: https://kafka.apache.org/protocol#protocol_messages.
type kind struct {
	key                      int16
	flexibleFrom, maxVersion int16
}

const (
	requestHeader = 4 + 2 + 2 + 4 // length, API key, version, correlation id
	maxRequests   = 64            // in flight on a connection; sarama has few
	maxBody       = 1 << 20       // bytes of a response; one for a thousand partitions has some ten thousand
)

// ObserveProduce returns a connection that works like conn, and calls onResult with each partition's result in the
// responses to Produce requests. It exists because sarama retries some errors forever and reports none of them.
// Malformed responses are left to sarama.
func ObserveProduce(conn net.Conn, onResult func(partition int32, code sarama.KError)) net.Conn {
	return observe(conn, kind{key: 0, flexibleFrom: 9, maxVersion: 12}, func(version int16, body *wire.Reader) {
		for _, r := range produceResults(version, body) {
			onResult(r.partition, r.code)
		}
	})
}

type produceResult struct {
	partition int32
	code      sarama.KError
}

// produceResults returns nothing if the response is malformed.
func produceResults(version int16, r *wire.Reader) (results []produceResult) {
	for range r.Count() {
		r.Skip(r.StringSize()) // topic
		for range r.Count() {
			results = append(results, produceResult{r.Int32(), sarama.KError(r.Int16())})
			r.Skip(8) // base offset
			if version >= 2 {
				r.Skip(8) // time of the append
			}
			if version >= 5 {
				r.Skip(8) // log start offset
			}
			if version >= 8 {
				for range r.Count() { // records in error
					r.Skip(4)
					r.Skip(r.StringSize())
					r.Tags()
				}
				r.Skip(r.StringSize()) // error message
			}
			r.Tags()
			if r.Left == nil {
				return nil
			}
		}
		r.Tags()
	}
	if version >= 1 {
		r.Skip(4) // throttle time
	}
	r.Tags()
	if !r.Done() {
		return nil
	}
	return results
}

// observeLifetime returns a connection that works like conn, and calls onLifetime with how long the client stays signed
// in; 0 if the broker sets no limit. sarama keeps it to itself.
func observeLifetime(conn net.Conn, onLifetime func(time.Duration)) net.Conn {
	return observe(conn, kind{key: 36, flexibleFrom: 2, maxVersion: 2}, func(version int16, r *wire.Reader) {
		r.Skip(2)              // error code
		r.Skip(r.StringSize()) // error message
		r.Skip(r.Size())       // the server's part of the exchange
		var ms int64
		if version >= 1 {
			ms = r.Int64()
		}
		r.Tags()
		if r.Done() {
			onLifetime(sessionLifetime(ms))
		}
	})
}

func observe(conn net.Conn, k kind, onResponse func(version int16, body *wire.Reader)) *observedConn {
	return &observedConn{Conn: conn, kind: k, onResponse: onResponse, versions: make(map[int32]int16)}
}

// Write sends a request. sarama passes each request in one call.
func (c *observedConn) Write(request []byte) (int, error) {
	if len(request) >= requestHeader && int16(binary.BigEndian.Uint16(request[4:])) == c.key {
		c.mu.Lock()
		if len(c.versions) < maxRequests {
			c.versions[int32(binary.BigEndian.Uint32(request[8:]))] = int16(binary.BigEndian.Uint16(request[6:]))
		}
		c.mu.Unlock()
	}
	return c.Conn.Write(request)
}

// Read returns what the broker sends, and observes it.
func (c *observedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.frames.read(p[:n], func(part []byte, last bool) {
		c.body = append(c.body, part[:min(len(part), maxBody+1-len(c.body))]...)
		if last {
			c.parse(c.body)
			c.body = c.body[:0]
		}
	})
	return n, err
}

func (c *observedConn) parse(body []byte) {
	r := &wire.Reader{Left: body}
	id := r.Int32()
	if r.Left == nil {
		return
	}
	c.mu.Lock()
	version, found := c.versions[id]
	delete(c.versions, id)
	c.mu.Unlock()
	if !found || version < 0 || version > c.maxVersion || len(body) > maxBody {
		return
	}
	r.Flexible = version >= c.flexibleFrom
	r.Tags() // of the header
	c.onResponse(version, r)
}

// frameReader splits the bytes that a broker sends into responses. Each has its length in front, in four bytes.
type frameReader struct {
	header    [4]byte // of the current response: its length
	headerLen int     // bytes of header that were read
	bodyLeft  int64   // bytes of the response that were not read yet
}

// read takes the next bytes, and passes on the parts of each response that are among them.
func (f *frameReader) read(b []byte, onPart func(part []byte, last bool)) {
	for len(b) > 0 {
		if f.headerLen < len(f.header) {
			n := copy(f.header[f.headerLen:], b)
			f.headerLen, b = f.headerLen+n, b[n:]
			if f.headerLen < len(f.header) {
				return
			}
			f.bodyLeft = int64(binary.BigEndian.Uint32(f.header[:]))
		}
		n := min(f.bodyLeft, int64(len(b)))
		part := b[:n]
		f.bodyLeft, b = f.bodyLeft-n, b[n:]
		if f.bodyLeft == 0 {
			f.headerLen = 0
		}
		onPart(part, f.bodyLeft == 0)
	}
}
