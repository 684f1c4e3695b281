package alerts_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/e2e/harness"
)

// world is everything that one Prometheus watches. A scenario adds pods to it, and a fault that happens later.
type world struct {
	t         *testing.T
	keys      harness.Keys        // of all pods
	pods      map[string]string   // addresses of metrics
	want      map[string][]string // by pod, the alerts that must fire; no others may
	faults    []func()
	consumers []*harness.Process
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, keys: harness.NewKeys(t), pods: map[string]string{}, want: map[string][]string{}}
}

// expect sets the alerts of a pod.
func (w *world) expect(pod string, alerts ...string) {
	slices.Sort(alerts)
	w.want[pod] = alerts
}

// then adds a fault, which happens once all pods are scraped.
func (w *world) then(fault func()) { w.faults = append(w.faults, fault) }

// consume runs the built consumer as a pod, and waits until it exposes metrics.
func (w *world) consume(pod string, c harness.Cluster, settings ...string) {
	w.t.Helper()
	w.consumers = append(w.consumers, w.run("consume", pod, c, nil, append([]string{
		"CONSUMERGROUP=group", "SkrClientKID=" + harness.KeyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example",
		"SKR_URL=" + w.keys.Sidecar, "WEB_ADDR=" + harness.FreeAddr(w.t),
	}, settings...)))
}

// produce runs the built producer as a pod, on a line every 200 ms.
func (w *world) produce(pod string, c harness.Cluster, settings ...string) {
	w.t.Helper()
	in, lines := io.Pipe()
	w.run("produce", pod, c, in, append([]string{"FORMAT=envelope"}, settings...))
	w.t.Cleanup(func() { lines.Close() }) // before the process is awaited
	go func() {
		for n := 1; ; n++ {
			if _, err := fmt.Fprintf(lines, "Msg %d: hello\n", n); err != nil {
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	}()
}

func (w *world) run(program, pod string, c harness.Cluster, in io.Reader, settings []string) *harness.Process {
	w.t.Helper()
	w.pods[pod] = harness.FreeAddr(w.t)
	p := harness.Start(w.t, program, in, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + harness.Topic, "METRICS_ADDR=" + w.pods[pod],
	}, settings...)...)
	harness.Eventually(w.t, pod+" exposes metrics", func() bool {
		if !p.Alive() {
			w.t.Fatalf("%s has ended: %s", pod, p.Log)
		}
		resp, err := http.Get("http://" + w.pods[pod] + "/metrics")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
	return p
}

// broker starts an embedded broker with the topic, and further options.
func (w *world) broker(options ...kfake.Opt) *kfake.Cluster {
	w.t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, harness.Topic)}, options...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// shows waits until a pod has a sample of a metric, such as `e2ee_kafka_state{state="reading"} 1`.
func (w *world) shows(pod, sample string) {
	w.t.Helper()
	w.matches(pod, regexp.QuoteMeta(sample))
}

// matches waits until a pod has a sample that a regular expression matches.
func (w *world) matches(pod, sample string) {
	w.t.Helper()
	p, line := &harness.Pod{T: w.t}, regexp.MustCompile("(?m)^"+sample+"$")
	harness.Eventually(w.t, pod+" exposes "+sample, func() bool {
		return line.Match(p.Get("http://" + w.pods[pod] + "/metrics"))
	})
}

// reads waits until a consumer reads, and has its key.
func (w *world) reads(pod string) {
	w.t.Helper()
	w.knowsLag(pod)
	w.shows(pod, `e2ee_key_released 1`)
}

// knowsLag waits until a consumer, with a key or without, reads and knows how far behind it is. A slow machine may take
// longer for that than the shortened alerts allow.
func (w *world) knowsLag(pod string) {
	w.t.Helper()
	w.shows(pod, `e2ee_kafka_state{state="reading"} 1`)
	w.shows(pod, `e2ee_consumer_lag_records{partition="0",topic="`+harness.Topic+`"} 0`)
}

// attested waits until a consumer's page is attested.
func (w *world) attested(pod string) {
	w.t.Helper()
	w.matches(pod, `e2ee_page_attestation_expiry_timestamp_seconds [1-9].*`)
}

// nowhere is an address at which no broker listens.
type nowhere string

func (n nowhere) ListenAddrs() []string { return []string{string(n)} }
