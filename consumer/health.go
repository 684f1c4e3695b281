package consumer

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kafka-e2ee/web"
)

// readiness is the body of /readyz. The status is 200 whenever the page can be
// served: a pod without a key must stay behind the load balancer, since showing
// ciphertext is what it is for.
type readiness struct {
	Ready   bool     `json:"ready"`
	Missing []string `json:"missing"`
}

// operations serves what operators ask for, on a port of its own.
func operations(m *metrics, key func() web.KeyStatus, kafka func() web.KafkaStatus) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]bool{"alive": true}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		body := readiness{Ready: true, Missing: []string{}}
		if state := key().State; state != web.KeyReleased && state != web.KeyFromFile {
			body.Missing = append(body.Missing, "key: "+string(state))
		}
		if state := kafka().State; state != web.KafkaReading {
			body.Missing = append(body.Missing, "kafka: "+string(state))
		}
		writeJSON(w, body)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) //nolint:errcheck // the caller has gone; there is no one to tell
}

// operationsServer bounds every phase of a request: its callers are machines.
func operationsServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}
