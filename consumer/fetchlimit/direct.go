package fetchlimit

import (
	"encoding/binary"
	"errors"
	"io"
)

// Most responses need no change, and a second copy of each would cost a tenth of the consumer's rate. But sarama learns a
// response's length before its content, and allocates memory for it. So after some large responses that did not change,
// the next one is announced with its own length and read right into that memory. If it does need a change after all, it
// can only lose records: sarama finds that the batch is cut off, as brokers do, and requests it again. That response and
// the next ones are rewritten as usual.

const (
	// minDirect is the least length of a response for which this is worth it.
	minDirect = 64 << 10
	// directAfter is how many large responses must not change before. A writer who mixes compressed batches with others
	// makes one of so many responses come twice.
	directAfter = 8
)

// directResponse is a response whose length sarama knows.
type directResponse struct {
	request sentFetch
	size    int // of what sarama has not read; 0: there is none
}

// mayReadDirectly reports whether to announce a response with its own length. That is no more than a claim of the
// broker's, but sarama allocates it: so no more than the response may take anyway.
func (c *fetchConn) mayReadDirectly(length int64) bool {
	return c.unchanged >= directAfter && length >= minDirect && length <= int64(c.rewriter.maxBatch)
}

// announce passes on a response's header as it is.
func (c *fetchConn) announce(request sentFetch, length int64) error {
	header := c.header[:8]
	if request.version >= flexibleVersion { // sarama takes the tagged fields for a part of the header
		header = c.header[:9]
		if _, err := io.ReadFull(c.Conn, header[8:]); err != nil {
			return err
		}
		if header[8] != 0 {
			return errors.New("reading a fetch response: its header has tagged fields")
		}
	}
	c.unread, c.direct = header, directResponse{request, int(length) + 4 - len(header)}
	c.received, c.rewriter.batches, c.rewriter.output = nil, nil, nil
	return nil
}

// readDirect reads the announced response into p, if it is long enough as sarama's is, and checks it there.
func (c *fetchConn) readDirect(p []byte) (int, error) {
	d, body := c.direct, p
	c.direct = directResponse{}
	if len(p) < d.size {
		body = make([]byte, d.size)
	}
	body = body[:d.size]
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return 0, err
	}
	if err := c.rewriter.cutResponse(d.request, body); err != nil {
		return 0, err
	}
	c.rewritten(minDirect)
	if len(p) >= d.size {
		return d.size, nil
	}
	n := copy(p, body)
	c.unread = body[n:]
	return n, nil
}

// cutOff makes the first of these batches look as if the broker had cut it off. All behind it is ignored, too.
func cutOff(batches []byte) {
	binary.BigEndian.PutUint32(batches[batchLengthAt:], uint32(len(batches)-batchLengthAt-4+1))
	batches[batchMagicAt] = 2
	binary.BigEndian.PutUint32(batches[batchCountAt:], 0)
}
