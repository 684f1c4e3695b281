package health

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kafka-e2ee/settings"
)

// Config is the setting of a program that serves its health and metrics.
type Config struct {
	MetricsAddr string `envconfig:"METRICS_ADDR" blanks:"cut" default:":9464" desc:"address of /metrics, /healthz and /readyz; empty: none; use a different one per program on the same machine"`
}

// CheckMetricsAddr reports an address that cannot be listened on. An empty one is allowed: nothing is served.
func (c Config) CheckMetricsAddr() error {
	if c.MetricsAddr == "" {
		return nil
	}
	return settings.CheckListenAddr("METRICS_ADDR", c.MetricsAddr)
}

// Build is the version that runs. It is shown in /metrics.
type Build struct{ Version, Commit string }

// NewRegistry returns a registry of metrics that holds those of the build, of Go's runtime and of the process.
func NewRegistry(program string, build Build) *prometheus.Registry {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "e2ee_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"program": program, "version": build.Version, "commit": build.Commit},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// NewServer returns a server of /metrics, /healthz and /readyz. missing lists what the program waits for. The server
// bounds every phase of a request, since its callers are machines.
func NewServer(registry *prometheus.Registry, missing func() []Missing) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]bool{"alive": true}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, newReadiness(missing()))
	})
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) //nolint:errcheck // the caller has gone
}
