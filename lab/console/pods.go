package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"kafka-e2ee/web/safetext"
)

const (
	pollEvery   = 150 * time.Millisecond
	pollLimit   = 1000     // records of one answer, the most that a pod gives
	answerLimit = 64 << 20 // bytes of one answer
	answerTime  = 10 * time.Second
)

// podRecord is a record as a pod shows it.
type podRecord struct {
	State        string   `json:"state"`
	Partition    int32    `json:"partition"`
	Offset       int64    `json:"offset"`
	Millis       *int64   `json:"timestamp_ms"`
	Flags        []string `json:"flags"`
	RejectReason string   `json:"reject_reason"`
	KeyID        string   `json:"key_id"`
	Sender       struct {
		State string `json:"state"`
		Name  string `json:"name"`
	} `json:"sender"`
	Encoding *string `json:"encoding"`
	Value    *string `json:"value"`

	Rev uint64 `json:"rev"`
}

// podAnswer is an answer to GET /api/records.
type podAnswer struct {
	feed    string
	next    uint64
	records []podRecord // newest first
}

// pod follows the API of one pod's page. It never asks anything else than what a viewer could.
type pod struct {
	address string // HOST:PORT
	host    string // its name for viewers, which is the only one that it answers to
	client  *http.Client

	mu      sync.Mutex
	answers bool
	feed    string
	next    uint64
	records map[position]podRecord
}

func newPod(address, host string) *pod {
	return &pod{address: address, host: host, client: &http.Client{Timeout: answerTime}, records: make(map[position]podRecord)}
}

// follow asks the pod until ctx ends.
func (p *pod) follow(ctx context.Context) {
	for ctx.Err() == nil {
		again, err := p.poll(ctx)
		if err != nil {
			p.mu.Lock()
			p.answers = false
			p.mu.Unlock()
		}
		if again {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// poll asks for what has changed. It reports whether there is more.
func (p *pod) poll(ctx context.Context) (more bool, err error) {
	p.mu.Lock()
	feed, next := p.feed, p.next
	p.mu.Unlock()
	url := "http://" + p.address + "/api/records?limit=" + strconv.Itoa(pollLimit)
	if feed != "" {
		url += "&after=" + strconv.FormatUint(next, 10)
	}
	answer, err := p.get(ctx, url)
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(answer)
	return len(answer.records) == pollLimit && feed == answer.feed, nil
}

// keep keeps an answer. The mutex is held.
func (p *pod) keep(answer podAnswer) {
	p.answers = true
	if restarted := p.feed != "" && answer.feed != p.feed; restarted {
		// The pod was started again and knows nothing yet: the next answer holds all that it has.
		p.feed, p.next = "", 0
		clear(p.records)
		return
	}
	p.feed, p.next = answer.feed, answer.next
	for _, r := range answer.records {
		p.records[position{r.Partition, r.Offset}] = r
	}
	for at, r := range p.records {
		if len(p.records) <= 2*keptRecords {
			break
		}
		if p.older(r) > keptRecords {
			delete(p.records, at)
		}
	}
}

// older returns how many of the newest changes are after a record's.
func (p *pod) older(r podRecord) uint64 { return p.next - min(r.Rev, p.next) }

// at returns what the pod shows of a record that Kafka stores. It is false if the pod has not shown that record.
func (p *pod) at(r storedRecord) (shown podRecord, ok, answers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown, ok = p.records[r.position]
	// In a recreated topic another record can be at the same position.
	same := ok && (shown.Millis == nil || *shown.Millis == r.at.UnixMilli())
	return shown, same, p.answers
}

// hasShown reports whether the pod has shown a record, or does not answer.
func (p *pod) hasShown(r storedRecord) bool {
	_, shown, answers := p.at(r)
	return shown || !answers
}

func (p *pod) get(ctx context.Context, url string) (podAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return podAnswer{}, err
	}
	request.Host = p.host
	answer, err := p.client.Do(request)
	if err != nil {
		return podAnswer{}, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode != http.StatusOK {
		return podAnswer{}, fmt.Errorf("asking the pod: status %d", answer.StatusCode)
	}
	return readAnswer(io.LimitReader(answer.Body, answerLimit))
}

// readAnswer reads an answer one record at a time, and keeps of each only what the console shows.
func readAnswer(body io.Reader) (podAnswer, error) {
	var answer podAnswer
	in := json.NewDecoder(body)
	if err := expect(in, json.Delim('{')); err != nil {
		return answer, err
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return answer, fmt.Errorf("reading the pod's answer: %w", err)
		}
		switch name {
		case "feed":
			err = in.Decode(&answer.feed)
		case "next":
			err = in.Decode(&answer.next)
		case "records":
			answer.records, err = readRecords(in)
		default:
			err = in.Decode(new(json.RawMessage))
		}
		if err != nil {
			return answer, fmt.Errorf("reading the pod's answer: %w", err)
		}
	}
	if answer.feed == "" {
		return answer, errors.New("reading the pod's answer: it names no feed")
	}
	return answer, expect(in, json.Delim('}'))
}

func readRecords(in *json.Decoder) ([]podRecord, error) {
	if err := expect(in, json.Delim('[')); err != nil {
		return nil, err
	}
	var records []podRecord
	for in.More() {
		if len(records) == pollLimit {
			return nil, errors.New("it holds more records than were asked for")
		}
		var r podRecord
		if err := in.Decode(&r); err != nil {
			return nil, err
		}
		if r.Value != nil {
			start := safetext.WholeRunes([]byte((*r.Value)[:min(len(*r.Value), keptBytes)]))
			r.Value = &start
		}
		records = append(records, r)
	}
	return records, expect(in, json.Delim(']'))
}

func expect(in *json.Decoder, want json.Delim) error {
	got, err := in.Token()
	if err != nil {
		return fmt.Errorf("reading the pod's answer: %w", err)
	}
	if got != want {
		return fmt.Errorf("reading the pod's answer: got %v, want %v", got, want)
	}
	return nil
}
