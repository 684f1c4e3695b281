package bench_test

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// addrs is a cluster by its addresses.
type addrs []string

func (a addrs) ListenAddrs() []string { return a }

// BenchmarkScaling measures the built consumers of one group by the number of partitions, of cores for each, and of
// consumers. All share this machine's cores with Kafka.
func BenchmarkScaling(b *testing.B) {
	addr, k := benchKafka(b), harness.NewKeys(b)
	figures := newTable("scaling", "Partitions", "Consumers", "Cores each", "`rsa`, records/s", "`envelope` of 1 KiB, records/s")
	forRSA, forEnvelope := newWorkload(b, rsaMessage).first(b, 2000), newWorkload(b, 1<<10)
	var labels []string
	var series [2][]float64
	for _, s := range []scale{{1, 1, 1}, {1, 1, 2}, {2, 1, 1}, {2, 1, 2}, {6, 1, 1}, {6, 1, 2}, {6, 2, 1}, {6, 3, 1}, {6, 6, 1}} {
		b.Run(fmt.Sprintf("partitions=%d/consumers=%d/cores=%d", s.partitions, s.consumers, s.cores), func(b *testing.B) {
			for b.Loop() {
				slow := s.measure(b, addr, k, forRSA, envelope.FormatRSA)
				var fast float64 // it takes a second, so the best of some counts
				for range 3 {
					fast = max(fast, s.measure(b, addr, k, forEnvelope, envelope.FormatEnvelope))
				}
				b.ReportMetric(slow, "rsa/s")
				b.ReportMetric(fast, "envelope/s")
				figures.add(fmt.Sprint(s.partitions), fmt.Sprint(s.consumers), fmt.Sprint(s.cores), rate{perSecond: slow}.records(), rate{perSecond: fast}.records())
				labels = append(labels, fmt.Sprintf("%d × %d × %d", s.partitions, s.consumers, s.cores))
				series[0], series[1] = append(series[0], float64(int(slow))), append(series[1], float64(int(fast/1000)))
			}
		})
	}
	figures.publish(b)
	bars(b, "scaling", "Consumed records by partitions × consumers × cores each", labels, []string{"rsa, records a second", "envelope, thousands a second"}, series[:])
}

var lastShare = regexp.MustCompile(`"partitions":\[([^\]]+)\]`)

type scale struct{ partitions, consumers, cores int }

// measure lets the consumers join, pauses them while the topic is filled, and returns how many records a second they
// read together afterwards.
func (s scale) measure(b *testing.B, addr string, k harness.Keys, w workload, format envelope.Format) float64 {
	topic := fmt.Sprintf("scaling-%s-%d", format, time.Now().UnixNano())
	freshTopic(b, addr, topic, int32(s.partitions))
	pods, processes := make([]*harness.Pod, s.consumers), make([]*harness.Process, s.consumers)
	for i := range pods {
		pods[i], processes[i] = harness.StartConsumer(b, addrs{addr}, k.Sidecar, "TOPIC="+topic, "CONSUMERGROUP="+topic, "TRUSTED_SENDERS_FILE="+k.Trusted, fmt.Sprint("GOMAXPROCS=", s.cores))
	}
	for _, p := range pods {
		p.Wait("it has its share of the partitions", func() bool {
			given := lastShare.FindAllStringSubmatch(p.Log.String(), -1)
			return p.KeyState() == "released" && len(given) > 0 && strings.Count(given[len(given)-1][1], ",")+1 == s.partitions/s.consumers
		})
	}
	total := func() (n int) {
		for _, p := range pods {
			n += p.RecordsRead()
		}
		return n
	}
	for _, p := range processes {
		p.Signal(syscall.SIGSTOP) // shorter than the group's session timeout
	}
	w.sealed(b, w.settings(k, addr, topic, format, sarama.CompressionNone))
	for _, p := range processes {
		p.Signal(syscall.SIGCONT)
	}
	r := fromFirst(w.records, total)
	for _, p := range pods {
		p.Stop()
	}
	return r.perSecond
}
