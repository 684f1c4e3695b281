package attacks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// page is the pod's page, whose API is asked for records.
type page struct {
	url       string
	undecided time.Duration // how long records may be in a state that another one follows
	next      uint64        // the revision after the last answer: older ones are of no interest
}

// reported is what the pod's API says of a record (docs/api.md), without its content.
type reported struct {
	Partition    int32    `json:"partition"`
	Offset       int64    `json:"offset"`
	State        string   `json:"state"`
	KeyID        string   `json:"key_id"`
	RejectReason string   `json:"reject_reason"`
	Flags        []string `json:"flags"`
	Sender       struct {
		State string `json:"state"`
	} `json:"sender"`
}

const (
	answerBytes = 64 << 20               // the longest answer of a pod: its history with its ciphertext, in base64
	pollEvery   = 100 * time.Millisecond // how often the pod is asked
)

// wait returns what the pod says of the records, as soon as it has decided about each.
func (p *page) wait(ctx context.Context, positions ...Position) ([]reported, error) {
	return p.waitUntil(ctx, reported.decided, positions...)
}

// waitUntil returns what the pod says of the records, as soon as that is final for each. It fails if the pod shows all of
// them, and some are not final for too long.
func (p *page) waitUntil(ctx context.Context, final func(reported) bool, positions ...Position) ([]reported, error) {
	known := make(map[Position]reported)
	var allShown time.Time
	for {
		if err := p.poll(ctx, known); err != nil {
			return nil, fmt.Errorf("asking the pod for its records: %w", err)
		}
		missing := slices.IndexFunc(positions, func(at Position) bool { _, ok := known[at]; return !ok })
		open := slices.IndexFunc(positions, func(at Position) bool { return !final(known[at]) })
		switch {
		case missing >= 0:
		case open < 0:
			records := make([]reported, len(positions))
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
	if err := p.poll(ctx, make(map[Position]reported)); err != nil {
		return fmt.Errorf("asking the pod for its records: %w", err)
	}
	return nil
}

// poll adds the changes since the last answer.
func (p *page) poll(ctx context.Context, known map[Position]reported) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/records?limit=1000&after=%d", p.url, p.next), http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("got status %d", response.StatusCode)
	}
	return p.read(io.LimitReader(response.Body, answerBytes), known)
}

func (p *page) read(body io.Reader, known map[Position]reported) error {
	var answer struct {
		Records []reported `json:"records"`
		Next    uint64     `json:"next"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	for _, r := range answer.Records {
		known[Position{r.Partition, r.Offset}] = r
	}
	p.next = answer.Next
	return nil
}
