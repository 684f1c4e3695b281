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
	url  string
	next uint64 // the revision after the last answer: older ones are of no interest
}

// reported is what the pod's API says of a record (docs/api.md), without its content.
type reported struct {
	Partition    int32    `json:"partition"`
	Offset       int64    `json:"offset"`
	State        string   `json:"state"`
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

// wait returns what the pod says of the records, as soon as it says something of each.
func (p *page) wait(ctx context.Context, positions ...Position) ([]reported, error) {
	known := make(map[Position]reported)
	for {
		if err := p.poll(ctx, known); err != nil {
			return nil, fmt.Errorf("asking the pod for its records: %w", err)
		}
		missing := slices.IndexFunc(positions, func(at Position) bool { _, ok := known[at]; return !ok })
		if missing < 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting until the pod shows partition %d, offset %d: %w", positions[missing].Partition, positions[missing].Offset, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
	records := make([]reported, len(positions))
	for i, at := range positions {
		records[i] = known[at]
	}
	return records, nil
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
