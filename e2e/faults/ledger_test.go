package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/health"
)

// ledger collects what all pages show, as their viewers would see it.
type ledger struct {
	mu           sync.Mutex
	observations map[position]observation
	firstShown   map[int]time.Time // when a message was first shown, by its number
	reported     map[string]int    // how often each missing part was reported

	longerThanHistory bool // the topic is, so a history may begin in the middle of a data key: that record is unfollowed
}

// position is a record's position in its topic.
type position struct {
	partition int32
	offset    int64
}

type observation struct {
	number int // of the message; -1 if it is not shown decrypted
	flags  []string
	feed   string
}

func newLedger() *ledger {
	return &ledger{observations: map[position]observation{}, firstShown: map[int]time.Time{}, reported: map[string]int{}}
}

// follow polls one consumer's page until the test ends or stop is called.
func (l *ledger) follow(t testing.TB, p *harness.Pod) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	client := &http.Client{Timeout: 10 * time.Second} // a paused consumer answers later
	go func() {
		defer close(ended)
		var feed string
		var next uint64
		for {
			for more := true; more; {
				feed, next, more = l.poll(client, p, feed, next)
			}
			l.pollReady(client, p)
			select {
			case <-end:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(end); <-ended })
	t.Cleanup(stop)
	return stop
}

const page = 1000

// poll adds what changed on the page. It reports whether there may be more.
func (l *ledger) poll(client *http.Client, p *harness.Pod, feed string, after uint64) (string, uint64, bool) {
	var answer struct {
		Feed    string
		Next    uint64
		Records []harness.Record
	}
	if !fetch(client, fmt.Sprintf("%s/api/records?limit=%d&after=%d", p.Page, page, after), &answer) {
		return feed, after, false
	}
	if answer.Feed != feed && feed != "" {
		return answer.Feed, 0, true // another process: start from its beginning
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range answer.Records {
		l.add(answer.Feed, r)
	}
	return answer.Feed, answer.Next, len(answer.Records) == page
}

func (l *ledger) add(feed string, r harness.Record) {
	at := position{r.Partition, r.Offset}
	now := observation{number: -1, flags: r.Flags, feed: feed}
	if r.State == "decrypted" {
		if _, err := fmt.Sscanf(r.Value, "message %d", &now.number); err != nil {
			now.number = -1
		}
	}
	before, known := l.observations[at]
	if known && before.feed != feed {
		now.flags = append(now.flags, before.flags...)
	}
	if known && now.number < 0 {
		return // by another pod, which has no key yet
	}
	l.observations[at] = now
	if _, shown := l.firstShown[now.number]; now.number >= 0 && !shown {
		l.firstShown[now.number] = time.Now()
	}
}

// pollReady adds what the consumer reports as missing.
func (l *ledger) pollReady(client *http.Client, p *harness.Pod) {
	var answer struct{ Missing []health.Missing }
	if !fetch(client, p.Metrics+"/readyz", &answer) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, missing := range answer.Missing {
		l.reported[missing.Part+": "+missing.State]++
	}
}

func fetch(client *http.Client, url string, into any) bool {
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// shown counts the messages in [from, to) that were shown.
func (l *ledger) shown(from, to int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for number := from; number < to; number++ {
		if _, ok := l.firstShown[number]; ok {
			n++
		}
	}
	return n
}

// last returns when the last of the messages before that number was first shown.
func (l *ledger) last(to int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last time.Time
	for number := range to {
		if at := l.firstShown[number]; at.After(last) {
			last = at
		}
	}
	return last
}

// records counts the records that a page shows in any state.
func (l *ledger) records() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.observations)
}

// decrypted counts the records that a page shows decrypted. Others may still wait for the key or their header.
func (l *ledger) decrypted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, o := range l.observations {
		if o.number >= 0 {
			n++
		}
	}
	return n
}

func (l *ledger) hasReported(missing string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reported[missing] > 0
}

// reportedStates lists what was reported as missing.
func (l *ledger) reportedStates() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var said []string
	for missing := range l.reported {
		said = append(said, strings.ReplaceAll(missing, "_", " "))
	}
	slices.Sort(said)
	return strings.Join(said, ", ")
}

// otherWriterStart is the first number of another writer of the topic.
const otherWriterStart = 1_000_000

// clear drops the observations of a deleted topic.
func (l *ledger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.observations)
}

// verify fails the test for records that were not decrypted, are out of order or carry a wrong flag. It returns the number
// of duplicates, and how many of them are flagged. A gap may be flagged only if Kafka refused records.
func (l *ledger) verify(t testing.TB, refusals bool) (duplicates, flagged int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var order []position
	for at := range l.observations {
		order = append(order, at)
	}
	slices.SortFunc(order, func(a, b position) int {
		if a.partition != b.partition {
			return int(a.partition - b.partition)
		}
		return int(a.offset - b.offset)
	})
	type writer struct {
		partition int32
		number    int
	}
	seen, previous := map[int]bool{}, map[writer]int{}
	for _, at := range order {
		s := l.observations[at]
		if s.number < 0 {
			t.Errorf("the record at %v was not decrypted", at)
			continue
		}
		repeat, from := slices.Contains(s.flags, "repeat"), writer{at.partition, s.number / otherWriterStart}
		gap := refusals && len(l.neverShown(previous[from]+1, s.number)) > 0
		if seen[s.number] {
			duplicates++
			if repeat {
				flagged++
			}
		} else if before, any := previous[from]; any && s.number < before {
			t.Errorf("message %d is at %v, behind message %d", s.number, at, before)
		} else {
			previous[from] = s.number
		}
		if others := slices.DeleteFunc(slices.Clone(s.flags), func(f string) bool {
			return f == "repeat" || gap && f == "gap" || l.longerThanHistory && f == "unfollowed"
		}); len(others) > 0 || repeat && !seen[s.number] {
			t.Errorf("message %d at %v is wrongly flagged %v", s.number, at, s.flags)
		}
		seen[s.number] = true
	}
	return duplicates, flagged
}

// storedRecords counts the records in the topic; -1 while Kafka does not answer.
func storedRecords(c harness.Cluster, topic string) int {
	client, err := sarama.NewClient(c.ListenAddrs(), nil)
	if err != nil {
		return -1
	}
	defer client.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		return -1
	}
	total := 0
	for _, partition := range partitions {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			return -1
		}
		total += int(end)
	}
	return total
}

// neverShown lists the messages in [from, to) that no page has shown. It is called with mu held.
func (l *ledger) neverShown(from, to int) (numbers []int) {
	for number := from; number < to; number++ {
		if _, shown := l.firstShown[number]; !shown {
			numbers = append(numbers, number)
		}
	}
	return numbers
}
