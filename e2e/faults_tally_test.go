package e2e_test

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
)

// tally gathers what all pages show, as their viewers would see it.
type tally struct {
	mu    sync.Mutex
	spots map[spot]sight
	first map[int]time.Time // when a message was first shown, by its number
	said  map[string]int    // what pages say is missing: how often
}

// spot is a record's place in its topic.
type spot struct {
	partition int32
	offset    int64
}

type sight struct {
	number int // of the message; -1 where it is not shown decrypted
	flags  []string
	feed   string
}

func newTally() *tally {
	return &tally{spots: map[spot]sight{}, first: map[int]time.Time{}, said: map[string]int{}}
}

// follow watches one consumer's page until the test ends or stop is called.
func (l *tally) follow(t testing.TB, p *pod) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	client := &http.Client{Timeout: 10 * time.Second} // one that is paused answers later
	go func() {
		defer close(ended)
		var feed string
		var next uint64
		for {
			for more := true; more; {
				feed, next, more = l.look(client, p, feed, next)
			}
			l.listen(client, p)
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

// look takes what changed on the page. It says whether there may be more.
func (l *tally) look(client *http.Client, p *pod, feed string, after uint64) (string, uint64, bool) {
	var answer struct {
		Feed    string
		Next    uint64
		Records []record
	}
	if !fetch(client, fmt.Sprintf("%s/api/records?limit=%d&after=%d", p.page, page, after), &answer) {
		return feed, after, false
	}
	if answer.Feed != feed && feed != "" {
		return answer.Feed, 0, true // the process is another one: from its start
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range answer.Records {
		l.note(answer.Feed, r)
	}
	return answer.Feed, answer.Next, len(answer.Records) == page
}

func (l *tally) note(feed string, r record) {
	at := spot{r.Partition, r.Offset}
	now := sight{number: -1, flags: r.Flags, feed: feed}
	if r.State == "decrypted" {
		if _, err := fmt.Sscanf(r.Value, "message %d", &now.number); err != nil {
			now.number = -1
		}
	}
	before, known := l.spots[at]
	if known && before.feed != feed {
		now.flags = append(now.flags, before.flags...)
	}
	if known && now.number < 0 {
		return // another pod, which has no key yet
	}
	l.spots[at] = now
	if _, shown := l.first[now.number]; now.number >= 0 && !shown {
		l.first[now.number] = time.Now()
	}
}

// listen takes down what the consumer says is missing.
func (l *tally) listen(client *http.Client, p *pod) {
	var answer struct{ Missing []string }
	if !fetch(client, p.metrics+"/readyz", &answer) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, missing := range answer.Missing {
		l.said[missing]++
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

// shown counts the messages from one number to before another that were shown.
func (l *tally) shown(from, to int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for number := from; number < to; number++ {
		if _, ok := l.first[number]; ok {
			n++
		}
	}
	return n
}

// last says when the last of the messages before that number was first shown.
func (l *tally) last(to int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last time.Time
	for number := range to {
		if at := l.first[number]; at.After(last) {
			last = at
		}
	}
	return last
}

func (l *tally) records() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spots)
}

func (l *tally) heard(missing string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said[missing] > 0
}

// states lists what pages said was missing.
func (l *tally) states() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var said []string
	for missing := range l.said {
		said = append(said, strings.ReplaceAll(missing, "_", " "))
	}
	slices.Sort(said)
	return strings.Join(said, ", ")
}

// otherWriter is where the numbers of another writer of the topic start.
const otherWriter = 1_000_000

// forget drops the places of a topic that is no more.
func (l *tally) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.spots)
}

// check looks for records that were not opened, stand out of order, or are
// there twice, and gives the number of the latter and of those flagged as such.
// That others are missing before a record is true only where Kafka refused some.
func (l *tally) check(t testing.TB, refusals bool) (duplicates, flagged int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var order []spot
	for at := range l.spots {
		order = append(order, at)
	}
	slices.SortFunc(order, func(a, b spot) int {
		if a.partition != b.partition {
			return int(a.partition - b.partition)
		}
		return int(a.offset - b.offset)
	})
	type course struct {
		partition int32
		writer    int
	}
	seen, previous := map[int]bool{}, map[course]int{}
	for _, at := range order {
		s := l.spots[at]
		if s.number < 0 {
			t.Errorf("the record at %v was not opened", at)
			continue
		}
		repeat, way := slices.Contains(s.flags, "repeat"), course{at.partition, s.number / otherWriter}
		gap := refusals && l.missing(previous[way], s.number)
		if seen[s.number] {
			duplicates++
			if repeat {
				flagged++
			}
		} else if before, any := previous[way]; any && s.number < before {
			t.Errorf("message %d stands at %v, behind message %d", s.number, at, before)
		} else {
			previous[way] = s.number
		}
		if others := slices.DeleteFunc(slices.Clone(s.flags), func(f string) bool { return f == "repeat" || gap && f == "gap" }); len(others) > 0 || repeat && !seen[s.number] {
			t.Errorf("message %d at %v is flagged %v, which is not true", s.number, at, s.flags)
		}
		seen[s.number] = true
	}
	return duplicates, flagged
}

// held counts the records in the topic; -1 while Kafka does not tell.
func held(c cluster, topic string) int {
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

// missing says whether any message after one number and before another was never shown.
func (l *tally) missing(after, before int) bool {
	for number := after + 1; number < before; number++ {
		if _, ok := l.first[number]; !ok {
			return true
		}
	}
	return false
}
