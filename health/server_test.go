package health_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"kafka-e2ee/health"
)

// Without it a pod that waits for its key would be taken out of service, or monitoring would not know which build runs.
func TestServer(t *testing.T) {
	t.Parallel()
	var missing []string
	server := health.NewServer(health.NewRegistry("consume", health.Build{Version: "v1", Commit: "c1"}), func() []string { return missing })
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
	missing = []string{"key: waiting"}
	if got := get("/readyz"); got != `{"ready":true,"missing":["key: waiting"]}`+"\n" {
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
