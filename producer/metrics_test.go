package producer

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// Without it a name could mislead who writes a query: a metric without its unit, a counter that looks like a gauge.
func TestMetricsFollowConventions(t *testing.T) {
	m := newMetrics(Build{}, newStatus(nil, nil), new(keyFiles))
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}
