package attacks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// hold holds back what the producer writes, so that it can be changed before anyone reads it.
//
// Whoever runs the broker changes what it stores as they like. Over the protocol it takes a transaction that stays open:
// consumers that read only what is committed wait for its end. Meanwhile the records are read and deleted, with all before
// them, and others are written. Then the transaction is aborted.
type hold struct {
	o       *operator
	holder  *kgo.Client
	reader  *kgo.Client
	writer  *kgo.Client
	records map[int32][]stored // of the producer
	read    map[int32]int64    // the offset behind the last record that was read
	ours    map[Position]bool  // records that are not the producer's
}

// holdTimeout is the time after which the broker ends a hold by itself.
const holdTimeout = time.Minute

// hold begins to hold back partitions. The caller must end it.
func (o *operator) hold(ctx context.Context, partitions ...int32) (*hold, error) {
	holder, err := o.client(kgo.TransactionalID("operator-"+rand.Text()), kgo.TransactionTimeout(holdTimeout))
	if err != nil {
		return nil, err
	}
	h := &hold{o: o, holder: holder, records: make(map[int32][]stored), read: make(map[int32]int64), ours: make(map[Position]bool)}
	if err := holder.BeginTransaction(); err != nil {
		holder.Close()
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := h.begin(ctx, partitions); err != nil {
		return nil, errors.Join(err, h.end(ctx))
	}
	return h, nil
}

func (h *hold) begin(ctx context.Context, partitions []int32) error {
	for _, partition := range partitions {
		h.read[partition] = 0
	}
	markers, err := h.writeMarkers(ctx)
	if err != nil {
		return err
	}
	from := make(map[int32]kgo.Offset)
	for partition, offset := range markers {
		h.read[partition], from[partition] = offset+1, kgo.NewOffset().At(offset+1)
	}
	if h.writer, err = h.o.client(); err != nil {
		return err
	}
	h.reader, err = h.o.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{h.o.target.Topic: from}))
	return err
}

// writeMarkers writes a record of the transaction to each partition, and returns the offsets. Nobody will see them.
func (h *hold) writeMarkers(ctx context.Context) (map[int32]int64, error) {
	var markers []*kgo.Record
	for partition := range h.read {
		markers = append(markers, &kgo.Record{Topic: h.o.target.Topic, Partition: partition, Value: []byte("held")})
	}
	if err := h.holder.ProduceSync(ctx, markers...).FirstErr(); err != nil {
		return nil, fmt.Errorf("holding the topic back: %w", err)
	}
	offsets := make(map[int32]int64)
	for _, m := range markers {
		offsets[m.Partition] = m.Offset
		h.ours[Position{m.Partition, m.Offset}] = true
	}
	return offsets, nil
}

// catchUp reads what is in the partitions by now.
func (h *hold) catchUp(ctx context.Context) error {
	markers, err := h.writeMarkers(ctx)
	if err != nil {
		return err
	}
	for partition, offset := range markers {
		for h.read[partition] <= offset {
			if _, err := h.poll(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// end lets consumers read on, also if ctx has ended.
func (h *hold) end(ctx context.Context) error {
	defer h.holder.Close()
	for _, client := range []*kgo.Client{h.reader, h.writer} {
		if client != nil {
			client.Close()
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdTimeout)
	defer cancel()
	if err := h.holder.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("aborting the transaction: %w", err)
	}
	return nil
}

// poll waits for records of the producer, and returns the new ones.
func (h *hold) poll(ctx context.Context) ([]stored, error) {
	all, err := poll(ctx, h.reader)
	if err != nil {
		return nil, err
	}
	var fresh []stored
	for _, r := range all {
		if h.read[r.Partition] = r.Offset + 1; !h.ours[r.Position] {
			fresh = append(fresh, r)
			h.records[r.Partition] = append(h.records[r.Partition], r)
		}
	}
	return fresh, nil
}

// replace puts others in the place of the records of a partition that were held back. It returns where they are.
func (h *hold) replace(ctx context.Context, partition int32, change func([]stored) ([]stored, error)) ([]Position, error) {
	for {
		records, err := change(h.records[partition])
		if err != nil {
			return nil, err
		}
		written, err := write(ctx, h.writer, h.o.target.Topic, records)
		if err != nil {
			return nil, err
		}
		first, last := h.read[partition], written[len(written)-1].Offset
		if last == first+int64(len(written))-1 {
			return written, h.o.deleteBefore(ctx, partition, first)
		}
		// The producer was faster: its record stands before ours. So take it along, and write once more.
		for _, at := range written {
			h.ours[at] = true
		}
		for h.read[partition] <= last {
			if _, err := h.poll(ctx); err != nil {
				return nil, err
			}
		}
	}
}
