package story_test

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this a dashboard's author would meet names that Prometheus's own linter refuses.
func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	harness.Require(t, harness.Promtool)
	broker, keys, addr := harness.Broker(t, 1), harness.NewKeys(t), harness.FreeAddr(t)
	pod, _ := harness.StartConsumer(t, broker, keys.Sidecar, "WEB_ATTESTED_ADDR="+harness.FreeAddr(t), "WEB_HOSTS=127.0.0.1")
	lines, write := io.Pipe()
	producer := harness.StartProducer(t, broker, keys.Public, lines, "METRICS_ADDR="+addr)
	if _, err := io.WriteString(write, "a message\n"); err != nil {
		t.Fatal(err)
	}
	pod.WaitStates(map[string]int{"decrypted": 1})
	for _, url := range []string{pod.Metrics, "http://" + addr} {
		checkMetrics(t, string(pod.Get(url+"/metrics")))
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	producer.WaitExit()
}

func checkMetrics(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, "\ne2ee_kafka_state{") {
		t.Fatalf("the metrics lack ours: %s", text)
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
