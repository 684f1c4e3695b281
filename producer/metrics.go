package producer

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kafka-e2ee/health"
	"kafka-e2ee/settings"
)

// metrics are the producer's metrics. No label holds a part of a message or a key.
type metrics struct {
	status   *status
	keys     *keyFiles
	registry *prometheus.Registry
	failed   prometheus.Counter
	seal     prometheus.Histogram
	endless  prometheus.Gauge
}

func newMetrics(build Build, s *status, keys *keyFiles) metrics {
	registry := health.NewRegistry("produce", build)
	register := promauto.With(registry)
	register.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "e2ee_producer_oldest_unacknowledged_seconds", Help: "Age of the oldest record that waits for Kafka; 0 if none does.",
	}, func() float64 { return s.inFlight.oldest().Seconds() })
	for _, each := range states() {
		register.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "e2ee_kafka_state", Help: "1 for the state of the connection to Kafka, 0 for all others.",
			ConstLabels: prometheus.Labels{"state": string(each)},
		}, func() float64 {
			if current, _, _ := s.current(); current == each {
				return 1
			}
			return 0
		})
	}
	register.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "e2ee_producer_keys_stale", Help: "1 if PUBKEY_FILE or SIGNING_KEY_FILE changed and cannot be used, 0 otherwise.",
	}, func() float64 {
		if keys.unusableSince.Load() != nil {
			return 1
		}
		return 0
	})
	records := func(outcome string) prometheus.CounterOpts {
		return prometheus.CounterOpts{
			Name: "e2ee_producer_records_total", Help: "Records by outcome: acknowledged by Kafka, or failed.",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}
	}
	register.NewCounterFunc(records("acknowledged"), func() float64 { return float64(s.acknowledged.Load()) })
	register.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "e2ee_producer_queue_records", Help: "Records accepted and not yet acknowledged or failed.",
	}, func() float64 { return float64(s.inFlight.count()) })
	return metrics{
		status: s, keys: keys, registry: registry, failed: register.NewCounter(records("failed")),
		seal: register.NewHistogram(prometheus.HistogramOpts{
			Name: "e2ee_producer_seal_seconds", Help: "Time to encrypt one message: the mean of each batch of up to 64.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 12),
		}),
		endless: register.NewGauge(prometheus.GaugeOpts{
			Name: "e2ee_producer_endless", Help: "1 if the producer sends until it is stopped, 0 if it ends with COUNT or its input.",
		}),
	}
}

// missing lists what the producer waits for, for /readyz.
func (m metrics) missing() []health.Missing {
	missing := m.keys.missing()
	state, since, cause := m.status.current()
	if state == stateWriting {
		return missing
	}
	kafka := health.Missing{Part: "kafka", State: string(state), Since: since}
	if cause.What != "" {
		kafka.Detail = cause.String()
	}
	return append(missing, kafka)
}

// serve serves /metrics, /healthz and /readyz on addr until stop is called. It does nothing if addr is empty.
func (m metrics) serve(ctx context.Context, addr string) (stop func() error, err error) {
	if addr == "" {
		return func() error { return nil }, nil
	}
	listener, err := settings.Listen(ctx, "METRICS_ADDR", addr)
	if err != nil {
		return nil, err
	}
	server := health.NewServer(m.registry, m.missing)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		closing := server.Close()
		<-served // always http.ErrServerClosed by now
		return closing
	}, nil
}
