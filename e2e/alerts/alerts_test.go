package alerts_test

import (
	"slices"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
)

// Without this an alert could be silent in the very outage that it is for, or wake somebody for a pod that is well; or a
// panel of a dashboard could stay empty. All faults happen side by side, to pods of their own, under one Prometheus. Two
// alerts wait for two real minutes.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Prometheus, harness.Engine, harness.KafkaImage)
	began := time.Now()
	w := newWorld(t)
	for _, start := range scenarios {
		start(w)
	}
	deployed := rules(t)
	p := startPrometheus(t, shortened(t, deployed), w.pods)
	t.Logf("all is scraped after %s", time.Since(began).Round(time.Second))
	for _, fault := range w.faults {
		fault()
	}
	var silent []string
	t.Cleanup(func() {
		if len(silent) > 0 {
			t.Logf("silent: %q", silent)
		}
	})
	harness.Eventually(t, "each fault has made its alerts fire", func() bool {
		fired := p.fired()
		silent = nil
		for pod, want := range w.want {
			for _, alert := range want {
				if !slices.Contains(fired[pod], alert) {
					silent = append(silent, alert+" of "+pod)
				}
			}
		}
		return len(silent) == 0
	})
	t.Logf("all alerts fire after %s", time.Since(began).Round(time.Second))
	fired := p.fired()
	for pod := range w.pods {
		if !slices.Equal(fired[pod], w.want[pod]) {
			t.Errorf("pod %s: %q have fired, want %q", pod, fired[pod], w.want[pod])
		}
	}
	p.checkRules(t, len(deployed))
	for panel, query := range panelQueries(t) {
		if len(p.query(query)) == 0 {
			t.Errorf("%s finds nothing: %s", panel, query)
		}
	}

	for _, p := range w.consumers {
		p.Kill()
	}
	harness.Eventually(t, "KafkaE2EEConsumerGone fires for no namespace in particular once no consumer runs", func() bool {
		return slices.Contains(p.fired()[""], "KafkaE2EEConsumerGone")
	})
	var proved []string
	for _, names := range p.fired() {
		proved = append(proved, names...)
	}
	for _, rule := range deployed {
		if !slices.Contains(proved, rule.Alert) {
			t.Errorf("no fault makes %s fire", rule.Alert)
		}
	}
}
