package console

import (
	"context"
	"sync"
	"time"

	"kafka-e2ee/lab/podapi"
)

const pollEvery = 150 * time.Millisecond

// pod follows the API of one pod's page. It never asks anything else than what a viewer could.
type pod struct {
	api *podapi.Client

	mu      sync.Mutex
	answers bool
	feed    string
	next    uint64
	records map[Position]podapi.Record
	opened  opened
}

// opened counts the records that turned from ciphertext to plaintext, one shortly after the other: the pod got their key.
type opened struct {
	count int
	at    time.Time // of the last one
}

// openedTogether is how long after each other records open that one key opens.
const openedTogether = 3 * time.Second

func newPod(address, host string) *pod {
	return &pod{api: podapi.New(address, host), records: make(map[Position]podapi.Record)}
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
	var answer podapi.Answer
	if feed == "" {
		answer, err = p.api.Newest(ctx, podapi.MaxRecords, "")
	} else {
		answer, err = p.api.Since(ctx, next)
	}
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(answer)
	return len(answer.Records) == podapi.MaxRecords && feed == answer.Feed, nil
}

// keep keeps an answer. The mutex is held.
func (p *pod) keep(answer podapi.Answer) {
	p.answers = true
	if restarted := p.feed != "" && answer.Feed != p.feed; restarted {
		// The pod was started again and knows nothing yet: the next answer holds all that it has.
		p.feed, p.next = "", 0
		clear(p.records)
		p.opened = opened{}
		return
	}
	p.feed, p.next = answer.Feed, answer.Next
	for _, r := range answer.Records {
		if before := p.records[Position{r.Partition, r.Offset}]; r.State == "decrypted" && (before.State == "no_key" || before.State == "unknown_key") {
			if time.Since(p.opened.at) > openedTogether {
				p.opened.count = 0
			}
			p.opened.count, p.opened.at = p.opened.count+1, time.Now()
		}
		p.records[Position{r.Partition, r.Offset}] = r
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

// justOpened returns how many records opened when the pod got the newest key that opened any since the pod started.
func (p *pod) justOpened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened.count
}

// older returns how many of the newest changes are after a record's.
func (p *pod) older(r podapi.Record) uint64 { return p.next - min(r.Rev, p.next) }

// at returns what the pod shows of a record that Kafka stores. It is false if the pod has not shown that record.
func (p *pod) at(r storedRecord) (shown podapi.Record, ok, answers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown, ok = p.records[r.Position]
	// In a recreated topic another record can be at the same position.
	same := ok && (shown.Millis == nil || *shown.Millis == r.at.UnixMilli())
	return shown, same, p.answers
}

// passed reports whether the pod shows a later record of a partition.
func (p *pod) passed(r storedRecord) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, shown := range p.records {
		// One of a former topic, which was deleted, is at a later position, too, but not of a later time.
		if at.Partition == r.Partition && at.Offset > r.Offset && shown.Millis != nil && *shown.Millis > r.at.UnixMilli() {
			return true
		}
	}
	return false
}

// hasShown reports whether the pod has shown a record, or does not answer.
func (p *pod) hasShown(r storedRecord) bool {
	_, shown, answers := p.at(r)
	return shown || !answers
}
