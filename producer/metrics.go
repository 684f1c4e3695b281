package producer

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kafka-e2ee/kafkaconf"
)

// metrics counts; no label holds anything of a message or a key.
type metrics struct {
	registry *prometheus.Registry
	records  *prometheus.CounterVec
	seal     prometheus.Histogram
	queue    prometheus.Gauge
}

func newMetrics(build Build) metrics {
	m := metrics{
		registry: prometheus.NewRegistry(),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "e2ee_producer_records_total", Help: "Records by outcome: acknowledged by Kafka, or failed.",
		}, []string{"outcome"}),
		seal: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "e2ee_producer_seal_seconds", Help: "Time to encrypt one message.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 12),
		}),
		queue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "e2ee_producer_queue", Help: "Records accepted and not yet acknowledged or failed.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "e2ee_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"program": "produce", "version": build.Version, "commit": build.Commit},
	})
	info.Set(1)
	for _, outcome := range []string{outcomeAcknowledged, outcomeFailed} {
		m.records.WithLabelValues(outcome)
	}
	m.registry.MustRegister(m.records, m.seal, m.queue, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// serve answers /metrics and /healthz on addr until the returned function is called. An empty addr means not at all.
func (m metrics) serve(ctx context.Context, addr string) (stop func() error, err error) {
	if addr == "" {
		return func() error { return nil }, nil
	}
	listener, err := kafkaconf.Listen(ctx, "METRICS_ADDR", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		closing := server.Close()
		<-served // always http.ErrServerClosed by now
		return closing
	}, nil
}
