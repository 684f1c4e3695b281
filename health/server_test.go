package health_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/health"
)

// Without it a pod that waits for its key would be taken out of service, or monitoring would not know which build runs.
func TestServer(t *testing.T) {
	t.Parallel()
	var missing []health.Missing
	server := health.NewServer(health.NewRegistry("consume", health.Build{Version: "v1", Commit: "c1"}), func() []health.Missing { return missing })
	get := func(path string) string {
		answer := httptest.NewRecorder()
		server.Handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		if answer.Code != 200 {
			t.Errorf("%s: status %d", path, answer.Code)
		}
		return answer.Body.String()
	}
	if got := get("/healthz"); got != `{"alive":true}`+"\n" {
		t.Errorf("/healthz: %s", got)
	}
	if got := get("/readyz"); got != `{"ready":true,"missing":[]}`+"\n" {
		t.Errorf("/readyz: %s", got)
	}
	since := time.Date(2026, 5, 4, 3, 2, 1, 987, time.FixedZone("", 3600))
	missing = []health.Missing{{Part: "key", State: "waiting", Since: since}, {Part: "kafka", State: "refused", Since: since, Detail: "no rights"}}
	want := `{"ready":true,"missing":[{"part":"key","state":"waiting","since":"2026-05-04T02:02:01Z"},` +
		`{"part":"kafka","state":"refused","since":"2026-05-04T02:02:01Z","detail":"no rights"}]}` + "\n"
	if got := get("/readyz"); got != want {
		t.Errorf("/readyz: %s", got)
	}
	if got := get("/metrics"); !strings.Contains(got, `e2ee_build_info{commit="c1",program="consume",version="v1"} 1`) || !strings.Contains(got, "go_goroutines") {
		t.Errorf("/metrics: %s", got)
	}
	for addr, ok := range map[string]bool{"": true, ":9464": true, "nonsense": false} {
		if err := (health.Config{MetricsAddr: addr}).CheckMetricsAddr(); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
