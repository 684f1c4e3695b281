package faults_test

import (
	"crypto/rsa"
	"flag"
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

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

var fullHeaders = flag.Bool("full-headers", false, "let every record contain its header; docs/reliability.md, which is about lean records, stays as it is")

// headers returns the producer's setting, its default without the flag.
func headers() producer.Headers {
	h := harness.ProgramHeaders
	if *fullHeaders {
		h.HeaderRecords = 1
	}
	return h
}

// writeSection writes a table of docs/reliability.md.
func writeSection(t testing.TB, name, text string) {
	t.Helper()
	if *fullHeaders {
		t.Logf("with full records:\n%s", text)
		return
	}
	harness.WriteSection(t, reliability, name, text)
}

// setup runs both programs on a topic of their own while a fault is injected. It feeds lines to a producer at a steady
// rate, and records what the pages of one consumer group show.
type setup struct {
	t            testing.TB
	cluster      harness.Cluster
	brokers      *realkafka.Cluster // nil on others
	secured      *realkafka.Secured // nil on others
	settings     []string           // of both programs
	topic        string
	key          *rsa.PrivateKey
	sidecar      *skrtest.Sidecar
	sidecarProxy *harness.Proxy // before the sidecar
	ledger       *ledger
	producer     string // the command
	rate         int    // lines a second
	refused      bool   // Kafka refuses what is fed during the fault
	sealedAgain  bool   // what Kafka has not acknowledged

	consumers []*member
	producers []*producerRun

	mu    sync.Mutex // held while a line is fed
	input *os.File   // the producer's standard input
	next  atomic.Int64
	fedAt sync.Map // when each line was fed, by its number
	done  chan struct{}
}

// member is one consumer of the group.
type member struct {
	*harness.Pod
	process  *harness.Process
	unfollow func() // stops the ledger's polling
}

// producerRun is one producer and the lines [from, to) that it was fed.
type producerRun struct {
	process  *harness.Process
	metrics  string
	from, to int
	counted  int // acknowledged, by its last metrics
}

var setups atomic.Int64

// partitions is how many each topic has: every broker leads some.
const partitions = 6

func newSetup(t testing.TB, c harness.Cluster) *setup {
	t.Helper()
	s := &setup{t: t, cluster: c, topic: fmt.Sprint("faults-", setups.Add(1)), key: harness.NewKey(t), ledger: newLedger(), producer: "kafka-e2ee/cmd/produce", rate: 50}
	replicas := int16(1)
	switch c := c.(type) {
	case *realkafka.Cluster:
		s.brokers, replicas = c, 3
	case *realkafka.Secured:
		s.secured = c
	}
	realkafka.CreateTopic(t, c, s.topic, partitions, replicas)
	var url string
	s.sidecar, url = harness.Sidecar(t, s.key)
	s.sidecarProxy = harness.StartProxy(t, strings.TrimPrefix(url, "http://"))
	return s
}

// alive reports whether the program runs. The engine keeps one in a container alive.
func (m *member) alive() bool { return m.process == nil || m.process.Alive() }

// consume starts one more consumer.
func (s *setup) consume(settings ...string) *member {
	s.t.Helper()
	p, process := harness.StartConsumer(s.t, s.cluster, "http://"+s.sidecarProxy.Addr(), append([]string{"TOPIC=" + s.topic, "CONSUMERGROUP=" + s.topic, "WEB_HISTORY=50000"}, slices.Concat(s.settings, settings)...)...)
	m := &member{Pod: p, process: process, unfollow: s.ledger.follow(s.t, p)}
	s.consumers = append(s.consumers, m)
	return m
}

// produce starts a producer, which is fed from now on.
func (s *setup) produce(settings ...string) *producerRun {
	s.t.Helper()
	in, line, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	metrics := harness.FreeAddr(s.t)
	process := harness.StartCommand(s.t, s.producer, in, append([]string{
		"BROKERS=" + strings.Join(s.cluster.ListenAddrs(), ","), "TOPIC=" + s.topic, "PUBKEY=" + harness.PublicPEM(s.t, &s.key.PublicKey),
		"METRICS_ADDR=" + metrics, "FORMAT=envelope", fmt.Sprint("HEADER_RECORDS=", headers().HeaderRecords),
	}, slices.Concat(s.settings, settings)...)...)
	in.Close()
	s.closeInput()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.input = line
	b := &producerRun{process: process, metrics: "http://" + metrics + "/metrics", from: int(s.next.Load()), to: -1}
	s.producers = append(s.producers, b)
	return b
}

// closeInput lets the producer end once it has sent everything.
func (s *setup) closeInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.input != nil {
		s.input.Close()
		s.input = nil
		s.producers[len(s.producers)-1].to = int(s.next.Load())
	}
}

// feed feeds lines until stopFeeding.
func (s *setup) feed() {
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
				s.feedLine()
			}
		}
	}()
	s.t.Cleanup(func() { <-ended })
	s.t.Cleanup(s.stopFeeding)
}

// feedLine feeds one line. It blocks while the producer reads none.
func (s *setup) feedLine() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.input == nil {
		return
	}
	number := int(s.next.Load())
	s.fedAt.Store(number, time.Now())
	s.next.Add(1)
	_, _ = fmt.Fprintf(s.input, "message %d\n", number) //nolint:errcheck // it fails once the producer was killed
}

// stopFeeding ends feed.
func (s *setup) stopFeeding() {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// waitShown waits until every line that the running producer was fed, and settledRecords more, are on a page.
func (s *setup) waitShown() {
	s.t.Helper()
	s.mu.Lock()
	from, to := s.producers[len(s.producers)-1].from, int(s.next.Load())+settledRecords
	s.mu.Unlock()
	if s.refused { // only Kafka knows which ones
		from = to - settledRecords
		harness.Eventually(s.t, fmt.Sprintf("%d messages from %d on are shown", settledRecords, from), func() bool { return s.ledger.shown(from, int(s.next.Load())) >= settledRecords })
		return
	}
	harness.Eventually(s.t, fmt.Sprintf("messages %d to %d of %s are shown", from, to, s.topic), func() bool { return s.ledger.shown(from, to) == to-from })
}

// crash kills the producer while it sends, after reading its metrics.
func (s *setup) crash() {
	b := s.producers[len(s.producers)-1]
	for range 500 {
		s.feedLine()
	}
	b.count(s.consumers[0].Pod)
	b.process.Kill()
}

// terminate stops the producer while it sends. Its log must end with no failed record, or be empty if the producer had not
// started yet.
func (s *setup) terminate() {
	s.t.Helper()
	b := s.producers[len(s.producers)-1]
	b.process.Signal(syscall.SIGTERM)
	<-b.process.Done
	if log := b.process.Log.String(); log != "" && !strings.Contains(log, `"failed":0`) {
		s.t.Errorf("the producer ends with: %s", log)
	}
}

// ended waits for the producer's end and returns how many records Kafka refused. The producer must have sent everything
// else.
func (s *setup) ended(b *producerRun) int {
	t := s.t
	t.Helper()
	if !s.refused {
		b.process.WaitExit()
		return 0
	}
	<-b.process.Done
	said := regexp.MustCompile(`"msg":"finished".*"failed":(\d+)`).FindStringSubmatch(b.process.Log.String())
	if said == nil || said[1] == "0" || b.process.ProcessState.ExitCode() != 1 {
		t.Errorf("the producer does not say what was refused: %s", b.process.Log)
		return 0
	}
	n, _ := strconv.Atoi(said[1]) //nolint:errcheck // it is digits
	return n
}

// acknowledged returns how many records Kafka acknowledged: by the producer's last log line, or else by its metrics.
func (b *producerRun) acknowledged() int {
	if b.process == nil {
		return b.counted
	}
	if said := regexp.MustCompile(`"acknowledged":(\d+),"failed"`).FindStringSubmatch(b.process.Log.String()); said != nil {
		n, _ := strconv.Atoi(said[1]) //nolint:errcheck // it is digits
		return n
	}
	return b.counted
}

// lost counts the records that Kafka has acknowledged, and those of them that no page has shown.
func (s *setup) lost() (acknowledged, lost int) {
	for _, b := range s.producers {
		n := b.acknowledged()
		acknowledged += n
		lost += max(n-s.ledger.shown(b.from, b.to), 0)
	}
	return acknowledged, lost
}

// neverShown lists the messages that were fed and that no page has shown.
func (s *setup) neverShown() []int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.ledger.neverShown(0, int(s.next.Load()))
}

// count reads the producer's metrics.
func (b *producerRun) count(p *harness.Pod) int {
	for line := range strings.Lines(string(p.Get(b.metrics))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), `e2ee_producer_records_total{outcome="acknowledged"} `); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err == nil {
				b.counted = int(n)
			}
		}
	}
	return b.counted
}
