package consumer

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/health"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// metrics are the consumer's metrics. Labels hold names and numbers from Kafka and the settings, and nothing from a
// record.
type metrics struct {
	registry *prometheus.Registry
	topic    string

	records        *prometheus.CounterVec // by topic and state
	senders        *prometheus.CounterVec // by topic and the sender's state
	flags          *prometheus.CounterVec // by topic and flag
	rejected       *prometheus.CounterVec // by topic and reason
	headersMissing prometheus.Counter     // records, by topic
	decryptSeconds prometheus.Histogram   // for one record
	keyRequests    *prometheus.CounterVec // by outcome
	keysReleased   prometheus.Gauge       // 0 or 1
	lag            *prometheus.GaugeVec   // records, by topic and partition
}

func newMetrics(build Build, topic string) *metrics {
	m := &metrics{
		registry: health.NewRegistry("consume", build), topic: topic,
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_records_total", Help: "Records read, by their state when they were read.",
		}, []string{"topic", "state"}),
		senders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_senders_total", Help: "Records decrypted, by the state of their sender.",
			ConstLabels: prometheus.Labels{"topic": topic},
		}, []string{"sender"}),
		flags: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_flags_total", Help: "Decrypted records that were repeated, moved, late, stale, unfollowed, not bound to the topic, after a gap, or readable by others.",
			ConstLabels: prometheus.Labels{"topic": topic},
		}, []string{"flag"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_rejected_records_total", Help: "Records rejected, also after a key arrived, by the reason.",
			ConstLabels: prometheus.Labels{"topic": topic},
		}, []string{"reason"}),
		headersMissing: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "e2ee_consumer_headers_missing_total", Help: "Lean records whose header was looked for in the earlier records, and not found. They are decrypted if a later record has it.",
			ConstLabels: prometheus.Labels{"topic": topic},
		}),
		decryptSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "e2ee_consumer_decrypt_seconds", Help: "Time to decrypt one record, the mean of those that one core decrypts in a row.",
			Buckets: []float64{1e-6, 1e-5, 1e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5},
		}),
		keyRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_key_release_attempts_total", Help: "Requests for the private key, by outcome.",
		}, []string{"outcome"}),
		keysReleased: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "e2ee_key_released", Help: "1 while this process holds every key that it asks for.",
		}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "e2ee_consumer_lag_records", Help: "Records in the partition that this consumer has not read yet, as of its last contact with Kafka; see e2ee_kafka_state.",
		}, []string{"topic", "partition"}),
	}
	// Start each series at 0, so that the first record that cannot be decrypted shows as an increase.
	for _, state := range feed.States() {
		m.records.WithLabelValues(topic, string(state))
	}
	for _, state := range []feed.SenderState{feed.SenderUnverified, feed.SenderUntrusted, feed.SenderVerified} {
		m.senders.WithLabelValues(string(state))
	}
	for _, flag := range flagNames() {
		m.flags.WithLabelValues(flag)
	}
	for _, reason := range feed.RejectReasons() {
		m.rejected.WithLabelValues(string(reason))
	}
	m.registry.MustRegister(m.records, m.senders, m.flags, m.rejected, m.headersMissing, m.decryptSeconds, m.keyRequests, m.keysReleased, m.lag)
	return m
}

// registerState registers a metric with one series for each state.
func registerState[S ~string](m *metrics, name, help string, states []S, current func() S) {
	for _, state := range states {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"state": string(state)},
		}, func() float64 {
			if current() == state {
				return 1
			}
			return 0
		}))
	}
}

// registerKey registers the metric of the key's state.
func (m *metrics) registerKey(status func() podstatus.Key) {
	registerState(m, "e2ee_key_state", "1 for the state of the key release, 0 for the others.", podstatus.KeyStates(), func() podstatus.KeyState { return status().State })
}

// registerKafka registers the metrics of Kafka's status: its state, how long nothing was read, and the numbers of
// partitions.
func (m *metrics) registerKafka(status func() podstatus.Kafka) {
	registerState(m, "e2ee_kafka_state", "1 for the state that Kafka is in as seen from here, 0 for the others.", podstatus.KafkaStates(), func() podstatus.KafkaState { return status().State })
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "e2ee_consumer_not_reading_seconds", Help: "How long nothing could be read from Kafka, also since the start; 0 while it can.",
		}, func() float64 {
			if since := status().NotReadingSince; !since.IsZero() {
				return time.Since(since).Seconds()
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "e2ee_consumer_partitions", Help: "Partitions that are assigned to this consumer.",
		}, func() float64 { return float64(status().Assignment.Assigned) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "e2ee_consumer_partitions_unreadable", Help: "Assigned partitions that cannot be read now.",
		}, func() float64 { return float64(status().Assignment.CountUnreadable()) }),
	)
}

// countRead counts records that were read.
func (m *metrics) countRead(results []result) {
	type labels struct {
		topic string
		state feed.State
	}
	var counts tally[labels]
	missing := 0
	for i := range results {
		r := results[i].record
		counts.add(labels{r.Topic, r.State})
		if r.HeaderMissing {
			missing++
		}
	}
	m.headersMissing.Add(float64(missing))
	for l, n := range counts.total() {
		m.records.WithLabelValues(l.topic, string(l.state)).Add(float64(n))
	}
	m.countDecided(results)
}

// countDecided counts the senders and flags of records once they are decrypted, and the reasons once they are rejected,
// which may be later.
func (m *metrics) countDecided(results []result) {
	var senders tally[feed.SenderState]
	flags, reasons := make(map[string]int), make(map[feed.RejectReason]int)
	for i := range results {
		r := results[i].record
		if r.State == feed.StateRejected {
			reasons[r.Rejection.Reason]++
		}
		if r.State != feed.StateDecrypted {
			continue
		}
		senders.add(r.Sender.State)
		eachFlag(r, func(flag string) { flags[flag]++ })
	}
	for state, n := range senders.total() {
		m.senders.WithLabelValues(string(state)).Add(float64(n))
	}
	for flag, n := range flags {
		m.flags.WithLabelValues(flag).Add(float64(n))
	}
	for reason, n := range reasons {
		m.rejected.WithLabelValues(string(reason)).Add(float64(n))
	}
}

// tally counts values that mostly come in runs, without a look into a map for each.
type tally[K comparable] struct {
	counts map[K]int
	run    K
	length int // of the run
}

func (t *tally[K]) add(k K) {
	if k != t.run {
		t.total()
		t.run = k
	}
	t.length++
}

// total returns how often each value was added.
func (t *tally[K]) total() map[K]int {
	if t.length > 0 {
		if t.counts == nil {
			t.counts = make(map[K]int)
		}
		t.counts[t.run], t.length = t.counts[t.run]+t.length, 0
	}
	return t.counts
}

// flagNames are the names that eachFlag gives.
func flagNames() []string {
	return []string{"repeat", "gap", "late", "stale", "unfollowed", "moved", "unbound", "readers"}
}

// eachFlag calls count with the name of each flag of a record.
func eachFlag(r *feed.Record, count func(flag string)) {
	add := func(set bool, flag string) {
		if set {
			count(flag)
		}
	}
	add(len(r.OtherReaders) > 0, "readers")
	if f := r.Flags; f != (feed.Flags{}) {
		add(f.Repeat, "repeat")
		add(f.Missing > 0, "gap")
		add(f.Late, "late")
		add(f.Stale, "stale")
		add(f.Unfollowed, "unfollowed")
		add(f.Moved, "moved")
		add(f.Unbound, "unbound")
	}
}

// countNew counts what is new about a record that was followed again: flags that it did not have before, or that it is
// rejected.
func (m *metrics) countNew(before, after *feed.Record) {
	if after.State != before.State {
		m.rejected.WithLabelValues(string(after.Rejection.Reason)).Inc()
		return
	}
	if after.State != feed.StateDecrypted {
		return
	}
	known := make(map[string]bool)
	eachFlag(before, func(flag string) { known[flag] = true })
	eachFlag(after, func(flag string) {
		if !known[flag] {
			m.flags.WithLabelValues(flag).Inc()
		}
	})
}

// countKeyRequest counts a request for a private key.
func (m *metrics) countKeyRequest(outcome string) { m.keyRequests.WithLabelValues(outcome).Inc() }

func (m *metrics) setKeysReleased() { m.keysReleased.Set(1) }

// SetLag implements [group.LagMetrics].
func (m *metrics) SetLag(partition int32, records int64) {
	m.lag.WithLabelValues(m.topic, strconv.Itoa(int(partition))).Set(float64(max(records, 0)))
}

// DropLag implements [group.LagMetrics].
func (m *metrics) DropLag(partition int32) {
	m.lag.DeleteLabelValues(m.topic, strconv.Itoa(int(partition)))
}
