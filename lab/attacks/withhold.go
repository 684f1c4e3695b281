package attacks

import (
	"context"
	"errors"
	"slices"
)

// dropped is which of the records that are held back disappears.
const dropped = 1

// drop holds three records back, and lets the middle one disappear.
func drop(ctx context.Context, o *operator, r stored) ([]Position, error) {
	var lost Position
	written, err := o.rewrite(ctx, r.Partition, dropped+2, func(records []stored) []stored {
		lost = records[dropped].Position
		return slices.Delete(records, dropped, dropped+1)
	})
	if err != nil {
		return nil, err
	}
	o.withheld = append(o.withheld, Withheld{lost, written[dropped]})
	return written, nil
}

// reorder holds two records back, and exchanges them.
func reorder(ctx context.Context, o *operator, r stored) ([]Position, error) {
	return o.rewrite(ctx, r.Partition, 2, func(records []stored) []stored {
		records[0], records[1] = records[1], records[0]
		return records
	})
}

// rewrite holds back the next records of a partition, at least count, and puts others in their place.
func (o *operator) rewrite(ctx context.Context, partition int32, count int, change func([]stored) []stored) (written []Position, err error) {
	h, err := o.hold(ctx, partition)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.end(ctx)) }()
	for len(h.records[partition]) < count {
		if _, err := h.poll(ctx); err != nil {
			return nil, err
		}
	}
	return h.replace(ctx, partition, func(records []stored) ([]stored, error) { return change(slices.Clone(records)), nil })
}
