package fetchlimit

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf/wire"
)

// rewriter unpacks the batches of the fetch responses of one connection.
type rewriter struct {
	codecs
	placeholderKey string
	onPartition    func(FetchedPartition) // or nil
	budget         *budget

	limit   int            // memory in bytes that this response may take
	left    int            // unused part of limit
	full    bool           // a batch did not fit into this response
	inPlace bool           // this response must keep its length: see cutResponse
	changed bool           // this response changed
	batches reusableBuffer // the partitions that changed
	output  reusableBuffer // the response, if anything changed
}

func newRewriter(maxBatch int, placeholderKey string, b *budget, onPartition func(FetchedPartition)) *rewriter {
	return &rewriter{codecs: codecs{maxBatch: maxBatch}, placeholderKey: placeholderKey, budget: b, onPartition: onPartition}
}

// reusableBuffer is memory that the next response uses again.
type reusableBuffer []byte

// reset empties the buffer. It frees memory if the last response needed much less.
func (b *reusableBuffer) reset() {
	if cap(*b) > 1<<20 && len(*b) < cap(*b)/4 {
		*b = nil
	}
	*b = (*b)[:0]
}

// rewriteResponse returns a Fetch response with its batches unpacked, as many as fit. The body starts behind the
// correlation id. If nothing changes, the result is the body itself. It is valid until the next call.
// Layout: https://kafka.apache.org/protocol#The_Messages_Fetch.
func (r *rewriter) rewriteResponse(request sentFetch, body []byte) ([]byte, error) {
	r.inPlace = false
	return r.rewrite(request, body)
}

// cutResponse cuts a Fetch response off, in place and without another length, before the first batch of a partition that
// is compressed or does not fit. The body starts behind the tagged fields of the header.
func (r *rewriter) cutResponse(request sentFetch, body []byte) error {
	r.inPlace = true
	_, err := r.rewrite(request, body)
	return err
}

func (r *rewriter) rewrite(request sentFetch, body []byte) ([]byte, error) {
	version := request.version
	if version < minFetchVersion || version > maxFetchVersion {
		return nil, fmt.Errorf("reading a fetch response: version %d, want %d to %d", version, minFetchVersion, maxFetchVersion)
	}
	r.limit, r.full, r.changed = min(r.maxBatch, r.budget.available()), false, false
	r.left = r.limit
	r.batches.reset()
	r.output.reset()
	c, copied := wire.Reader{Left: body, Flexible: version >= flexibleVersion}, 0
	if !r.inPlace {
		c.Tags() // of the header
	}
	c.Skip(4)
	if version >= 7 {
		c.Skip(2 + 4) // error code, session
	}
	for range c.Count() {
		c.Skip(c.StringSize()) // topic
		for range c.Count() {
			partition, before := r.reportPartition(request, &c), r.left
			c.Skip(8) // last stable offset
			if version >= 5 {
				c.Skip(8) // log start offset
			}
			for range c.Count() { // aborted transactions
				c.Skip(8 + 8)
				c.Tags()
			}
			if version >= 11 {
				c.Skip(4) // preferred replica
			}
			recordsAt := len(body) - len(c.Left)
			if records, changed := r.rewritePartition(c.Take(max(c.Size(), 0))); changed {
				r.output = append(r.output, body[copied:recordsAt]...)
				r.output = append(c.AppendSize(r.output, len(records)), records...)
				copied = len(body) - len(c.Left)
			}
			r.budget.add(partition, before-r.left)
			c.Tags()
		}
		c.Tags()
	}
	c.Tags()
	switch {
	case !c.Done():
		return nil, errors.New("reading a fetch response: malformed")
	case copied == 0:
		return body, nil
	}
	r.output = append(r.output, body[copied:]...)
	return r.output, nil
}

// reportPartition reads a partition's number, error code and high watermark, and calls onPartition with them. It returns
// the number, or -1 if they are malformed.
func (r *rewriter) reportPartition(request sentFetch, c *wire.Reader) (partition int32) {
	fetched := FetchedPartition{Partition: c.Int32(), Code: sarama.KError(c.Int16()), HighWatermark: c.Int64(), Sent: request.sent}
	if c.Left == nil {
		return -1
	}
	if r.onPartition != nil {
		r.onPartition(fetched)
	}
	return fetched.Partition
}

// starved reports whether the response has no records because other responses hold the budget.
func (r *rewriter) starved() bool { return r.full && r.left == r.limit && r.limit < r.maxBatch }

// rewritePartition returns the batches of one partition, unpacked. changed is false if they stay as they are. The
// result ends before the first batch that does not fit: sarama requests the rest next.
func (r *rewriter) rewritePartition(records []byte) (out []byte, changed bool) {
	start, at := len(r.batches), 0
	change := func() {
		if !changed {
			changed, r.changed = true, true
			r.batches = append(r.batches, records[:at]...)
		}
	}
	for {
		size, codec := firstBatch(records[at:])
		batch := records[at : at+size]
		switch {
		case size > 0 && r.inPlace && (codec != 0 || !r.reserve(batch)):
			cutOff(records[at:])
			r.changed = true
			return nil, false
		case size > 0 && r.inPlace:
		case size == 0: // the end, or a batch that is cut off
			if changed {
				r.batches = append(r.batches, records[at:]...)
			}
			return r.batches[start:], changed
		case codec != 0:
			change()
			if !r.unpackBatch(batch, codec) {
				return r.batches[start:], true
			}
		case !r.reserve(batch):
			change()
			return r.batches[start:], true
		case changed:
			r.batches = append(r.batches, batch...)
		}
		at += size
	}
}
