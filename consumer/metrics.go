package consumer

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kafka-e2ee/web"
)

// metrics are the consumer's own. Labels hold names and numbers that Kafka and
// the settings know already, never anything out of a record.
type metrics struct {
	registry *prometheus.Registry
	records  *prometheus.CounterVec // by topic and state
	senders  *prometheus.CounterVec // by what is known of the sender
	flags    *prometheus.CounterVec // by flag
	decrypt  prometheus.Histogram   // seconds to open one record
	attempts *prometheus.CounterVec // by outcome
	released prometheus.Gauge       // 0 or 1
	lag      *prometheus.GaugeVec   // records, by topic and partition
}

func newMetrics(build Build, topic string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_records_total", Help: "Records read, by what is true of them when read.",
		}, []string{"topic", "state"}),
		senders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_senders_total", Help: "Records opened, by what is known of their sender.",
		}, []string{"sender"}),
		flags: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_consumer_flags_total", Help: "Opened records that were repeated, moved, late, unbound, or had others missing before them.",
		}, []string{"flag"}),
		decrypt: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "e2ee_consumer_decrypt_seconds", Help: "Time to open one encrypted record.",
			Buckets: []float64{1e-6, 1e-5, 1e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5},
		}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_key_release_attempts_total", Help: "Requests for the private key, by outcome.",
		}, []string{"outcome"}),
		released: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "e2ee_key_released", Help: "1 while this process holds every key that it asked for.",
		}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "e2ee_consumer_lag", Help: "Records in the partition that this consumer has not read yet.",
		}, []string{"topic", "partition"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "e2ee_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"program": "consume", "version": build.Version, "commit": build.Commit},
	})
	info.Set(1)
	// From 0 on, since the first record that cannot be opened must show as an increase.
	for _, state := range web.States() {
		m.records.WithLabelValues(topic, string(state))
	}
	for _, state := range []web.SenderState{web.SenderUnverified, web.SenderUntrusted, web.SenderVerified} {
		m.senders.WithLabelValues(string(state))
	}
	for _, flag := range []string{"repeat", "gap", "late", "moved", "unbound"} {
		m.flags.WithLabelValues(flag)
	}
	m.registry.MustRegister(m.records, m.senders, m.flags, m.decrypt, m.attempts, m.released, m.lag, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// sawBatch counts records that were read.
func (m *metrics) sawBatch(records []opened) {
	type place struct {
		topic string
		state web.State
	}
	seen := make(map[place]int)
	for _, o := range records {
		seen[place{o.record.Topic, o.record.State}]++
	}
	for at, n := range seen {
		m.records.WithLabelValues(at.topic, string(at.state)).Add(float64(n))
	}
	m.opened(records)
}

// opened counts what is known of records once they are open, now or later.
func (m *metrics) opened(records []opened) {
	senders, flags := make(map[web.SenderState]int), make(map[string]int)
	add := func(set bool, flag string) {
		if set {
			flags[flag]++
		}
	}
	for _, o := range records {
		if o.record.State != web.StateDecrypted {
			continue
		}
		senders[o.record.Sender.State]++
		if f := o.record.Flags; f != (web.Flags{}) {
			add(f.Repeat, "repeat")
			add(f.Missing > 0, "gap")
			add(f.Late, "late")
			add(f.Moved, "moved")
			add(f.Unbound, "unbound")
		}
	}
	for state, n := range senders {
		m.senders.WithLabelValues(string(state)).Add(float64(n))
	}
	for flag, n := range flags {
		m.flags.WithLabelValues(flag).Add(float64(n))
	}
}

func (m *metrics) setLag(topic string, partition int32, records int64) {
	m.lag.WithLabelValues(topic, strconv.Itoa(int(partition))).Set(float64(max(records, 0)))
}

func (m *metrics) dropLag(topic string, partition int32) {
	m.lag.DeleteLabelValues(topic, strconv.Itoa(int(partition)))
}
