package e2e_test

import (
	"crypto/rsa"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kafka-e2ee/skrclient/skrtest"
)

// stage is one run of both programs, on a topic of its own, in which a fault
// happens: lines are handed to a producer at a steady rate, and the pages of the
// consumers of one group are followed.
type stage struct {
	t        testing.TB
	cluster  cluster
	brokers  *brokers      // nil on others
	secured  *securedKafka // nil on others
	settings []string      // of both programs
	topic    string
	key      *rsa.PrivateKey
	sidecar  *skrtest.Sidecar
	gate     *proxy // before the sidecar
	tally    *tally
	rate     int  // lines a second
	refused  bool // Kafka refuses what is handed over during the fault

	consumers []*member
	producers []*batch

	mu   sync.Mutex // held while a line is handed over
	line *os.File   // the producer's standard input
	next atomic.Int64
	fed  sync.Map // when each line was handed over, by its number
	done chan struct{}
}

// member is one consumer of the group.
type member struct {
	*pod
	process *process
	leave   func() // no longer followed
}

// batch is what one producer was given, from one number to before another.
type batch struct {
	process  *process
	metrics  string
	from, to int
	counted  int // acknowledged, as its metrics said last
}

var stages atomic.Int64

// partitions of each topic: every broker leads some.
const partitions = 6

func newStage(t testing.TB, c cluster) *stage {
	t.Helper()
	s := &stage{t: t, cluster: c, topic: fmt.Sprint("faults-", stages.Add(1)), key: newKey(t), tally: newTally(), rate: 50}
	replicas := int16(1)
	switch c := c.(type) {
	case *brokers:
		s.brokers, replicas = c, 3
	case *securedKafka:
		s.secured = c
	}
	makeTopic(t, c, s.topic, partitions, replicas)
	var url string
	s.sidecar, url = sidecar(t, s.key)
	s.gate = startProxy(t, strings.TrimPrefix(url, "http://"))
	return s
}

// alive says whether the program runs; one in a container is not ours to end.
func (m *member) alive() bool { return m.process == nil || m.process.alive() }

// consume starts one more consumer.
func (s *stage) consume(settings ...string) *member {
	s.t.Helper()
	p, process := startConsumer(s.t, s.cluster, "http://"+s.gate.addr(), append([]string{"TOPIC=" + s.topic, "CONSUMERGROUP=" + s.topic, "WEB_HISTORY=50000"}, slices.Concat(s.settings, settings)...)...)
	m := &member{pod: p, process: process, leave: s.tally.follow(s.t, p)}
	s.consumers = append(s.consumers, m)
	return m
}

// produce starts a producer, which gets the lines from now on.
func (s *stage) produce(settings ...string) *batch {
	s.t.Helper()
	in, line, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	metrics := freeAddr(s.t)
	process := start(s.t, "produce", in, append([]string{
		"BROKERS=" + strings.Join(s.cluster.ListenAddrs(), ","), "TOPIC=" + s.topic, "PUBKEY=" + publicPEM(s.t, &s.key.PublicKey),
		"METRICS_ADDR=" + metrics, "FORMAT=envelope",
	}, slices.Concat(s.settings, settings)...)...)
	in.Close()
	s.closeInput()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
	b := &batch{process: process, metrics: "http://" + metrics + "/metrics", from: int(s.next.Load()), to: -1}
	s.producers = append(s.producers, b)
	return b
}

// closeInput lets the producer end once it has sent all.
func (s *stage) closeInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != nil {
		s.line.Close()
		s.line = nil
		s.producers[len(s.producers)-1].to = int(s.next.Load())
	}
}

// feed hands over lines until the stage ends.
func (s *stage) feed() {
	s.done = make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second / time.Duration(s.rate))
		defer tick.Stop()
		for {
			select {
			case <-s.done:
				return
			case <-tick.C:
				s.hand()
			}
		}
	}()
	s.t.Cleanup(func() { <-ended })
	s.t.Cleanup(s.quiet)
}

// hand hands over one line. It waits while the producer takes none.
func (s *stage) hand() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == nil {
		return
	}
	number := int(s.next.Load())
	s.fed.Store(number, time.Now())
	s.next.Add(1)
	_, _ = fmt.Fprintf(s.line, "message %d\n", number) //nolint:errcheck // it fails once the producer was killed
}

// quiet ends the feeding.
func (s *stage) quiet() {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// reach waits until settled more lines, and all before them that the running
// producer was given, are on a page.
func (s *stage) reach() {
	s.t.Helper()
	s.mu.Lock()
	from, to := s.producers[len(s.producers)-1].from, int(s.next.Load())+settled
	s.mu.Unlock()
	if s.refused { // which ones, only Kafka knows
		from = to - settled
		until(s.t, fmt.Sprintf("%d messages from %d on are shown", settled, from), func() bool { return s.tally.shown(from, int(s.next.Load())) >= settled })
		return
	}
	until(s.t, fmt.Sprintf("messages %d to %d of %s are shown", from, to, s.topic), func() bool { return s.tally.shown(from, to) == to-from })
}

// crash kills the producer while it sends, and remembers what it had counted.
func (s *stage) crash() {
	b := s.producers[len(s.producers)-1]
	for range 500 {
		s.hand()
	}
	b.count(s.consumers[0].pod)
	b.process.kill()
}

// terminate asks the producer to end in the middle of its work. Its last word
// must be that no record failed; before its first line of code runs it has none.
func (s *stage) terminate() {
	s.t.Helper()
	b := s.producers[len(s.producers)-1]
	b.process.signal(syscall.SIGTERM)
	<-b.process.done
	if log := b.process.log.String(); log != "" && !strings.Contains(log, `"failed":0`) {
		s.t.Errorf("the producer ends with: %s", log)
	}
}

// ended waits for the producer's end. It must have sent all, unless Kafka
// refused some: then it must say how many. They are given.
func (s *stage) ended(b *batch) int {
	t := s.t
	t.Helper()
	if !s.refused {
		b.process.ended()
		return 0
	}
	<-b.process.done
	said := regexp.MustCompile(`"failed":(\d+),"error"`).FindStringSubmatch(b.process.log.String())
	if said == nil || said[1] == "0" || b.process.ProcessState.ExitCode() != 1 {
		t.Errorf("the producer does not say what was refused: %s", b.process.log)
		return 0
	}
	n, _ := strconv.Atoi(said[1]) //nolint:errcheck // it is digits
	return n
}

// acknowledged is how many records Kafka acknowledged to the producer, by its
// last word, or its last count where it could not say one.
func (b *batch) acknowledged() int {
	if b.process == nil {
		return b.counted
	}
	if said := regexp.MustCompile(`"acknowledged":(\d+),"failed"`).FindStringSubmatch(b.process.log.String()); said != nil {
		n, _ := strconv.Atoi(said[1]) //nolint:errcheck // it is digits
		return n
	}
	return b.counted
}

// count reads the producer's metrics.
func (b *batch) count(p *pod) int {
	for line := range strings.Lines(string(p.get(b.metrics))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), `e2ee_producer_records_total{outcome="acknowledged"} `); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err == nil {
				b.counted = int(n)
			}
		}
	}
	return b.counted
}
