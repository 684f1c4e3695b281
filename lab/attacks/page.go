package attacks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kafka-e2ee/lab/podapi"
)

// page is the pod's page, whose API is asked for records.
type page struct {
	pod       *podapi.Client
	undecided time.Duration // how long records may be in a state that another one follows
	next      uint64        // the revision after the last answer: older ones are of no interest
}

func newPage(t Target) *page { return &page{pod: t.Pod, undecided: undecided} }

const pollEvery = 100 * time.Millisecond // how often the pod is asked

// wait returns what the pod says of the records, as soon as it has decided about each.
func (p *page) wait(ctx context.Context, positions ...Position) ([]podapi.Record, error) {
	return p.waitUntil(ctx, decided, positions...)
}

// waitUntil returns what the pod says of the records, as soon as that is final for each. It fails if the pod shows all of
// them, and some are not final for too long.
func (p *page) waitUntil(ctx context.Context, final func(podapi.Record) bool, positions ...Position) ([]podapi.Record, error) {
	known := make(map[Position]podapi.Record)
	var allShown time.Time
	for {
		if err := p.poll(ctx, known); err != nil {
			return nil, err
		}
		missing := slices.IndexFunc(positions, func(at Position) bool { _, ok := known[at]; return !ok })
		open := slices.IndexFunc(positions, func(at Position) bool { return !final(known[at]) })
		switch {
		case missing >= 0:
		case open < 0:
			records := make([]podapi.Record, len(positions))
			for i, at := range positions {
				records[i] = known[at]
			}
			return records, nil
		case allShown.IsZero():
			allShown = time.Now()
		case time.Since(allShown) > p.undecided:
			at := positions[open]
			return nil, fmt.Errorf("the attack cannot be judged: for %s the pod shows partition %d, offset %d as %s (hint: try again when it shows the producer's records in plaintext)",
				p.undecided, at.Partition, at.Offset, known[at].State)
		}
		select {
		case <-ctx.Done():
			at := positions[max(missing, open, 0)]
			return nil, fmt.Errorf("waiting until the pod shows partition %d, offset %d: %w", at.Partition, at.Offset, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

// skip passes over what the pod says so far.
func (p *page) skip(ctx context.Context) error {
	return p.poll(ctx, make(map[Position]podapi.Record))
}

// poll adds the changes since the last answer.
func (p *page) poll(ctx context.Context, known map[Position]podapi.Record) error {
	answer, err := p.pod.Since(ctx, p.next)
	if err != nil {
		return err
	}
	for _, r := range answer.Records {
		known[Position{r.Partition, r.Offset}] = r
	}
	p.next = answer.Next
	return nil
}
