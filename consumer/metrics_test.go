package consumer

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"kafka-e2ee/web/podstatus"
)

// Without it an alert on a key that was replaced would have no series until then.
func TestKeyStateMetric(t *testing.T) {
	status := podstatus.Key{State: podstatus.KeyUnexpected}
	m := newMetrics(Build{}, "t")
	m.registerKey(func() podstatus.Key { return status })
	for _, state := range podstatus.KeyStates() {
		status.State = state
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			if f.GetName() == "e2ee_key_state" {
				for _, series := range f.GetMetric() {
					got[series.GetLabel()[0].GetValue()] = series.GetGauge().GetValue()
				}
			}
		}
		for _, each := range podstatus.KeyStates() {
			if value, found := got[string(each)]; !found || (value == 1) != (each == state) {
				t.Errorf("%s: %s is %v, found %v", state, each, value, found)
			}
		}
	}
}

// Without it an alert on Kafka's state would have no series until the first change.
func TestKafkaStateMetrics(t *testing.T) {
	var status podstatus.Kafka
	m := newMetrics(Build{}, "t")
	m.registerKafka(func() podstatus.Kafka { return status })
	measured := func() map[string]float64 {
		t.Helper()
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, series := range f.GetMetric() {
				switch f.GetName() {
				case "e2ee_kafka_state":
					got[series.GetLabel()[0].GetValue()] = series.GetGauge().GetValue()
				case "e2ee_consumer_partitions", "e2ee_consumer_partitions_unreadable", "e2ee_consumer_not_reading_seconds":
					got[f.GetName()] = series.GetGauge().GetValue()
				}
			}
		}
		return got
	}
	unreadable := func(partitions ...int32) podstatus.Assignment {
		return podstatus.Assignment{Assigned: 2, Total: 2, Unreadable: []podstatus.Unreadable{{Partitions: partitions}}}
	}
	for _, step := range []struct {
		status podstatus.Kafka
		unread float64
	}{
		{podstatus.Kafka{State: podstatus.KafkaConnecting}, 0},
		{podstatus.Kafka{State: podstatus.KafkaReading, Assignment: podstatus.Assignment{Assigned: 2, Total: 2}}, 0},
		{podstatus.Kafka{State: podstatus.KafkaReading, Assignment: unreadable(0)}, 1},
		{podstatus.Kafka{State: podstatus.KafkaUnreachable, Assignment: unreadable(0, 1)}, 2},
		{podstatus.Kafka{State: podstatus.KafkaRefused}, 0},
		{podstatus.Kafka{State: podstatus.KafkaNoTopic}, 0},
	} {
		status = step.status
		got := measured()
		for _, state := range []string{"connecting", "reading", "unreachable", "refused", "no_topic"} {
			want := 0.0
			if state == string(status.State) {
				want = 1
			}
			if value, found := got[state]; !found || value != want {
				t.Errorf("%s: %s is %v, found %v", status.State, state, value, found)
			}
		}
		if got["e2ee_consumer_partitions_unreadable"] != step.unread {
			t.Errorf("%s: %v partitions cannot be read", status.State, got["e2ee_consumer_partitions_unreadable"])
		}
	}
	for _, test := range []struct{ since, from, to float64 }{{0, 0, 0}, {125, 125, 200}} {
		status.NotReadingSince = time.Time{}
		if test.since > 0 {
			status.NotReadingSince = time.Now().Add(-time.Duration(test.since) * time.Second)
		}
		if seconds := measured()["e2ee_consumer_not_reading_seconds"]; seconds < test.from || seconds > test.to {
			t.Errorf("nothing was read for %v seconds, want %v", seconds, test.since)
		}
	}
}

// Without it a name could mislead who writes a query: a metric without its unit, a counter that looks like a gauge.
func TestMetricsFollowConventions(t *testing.T) {
	m := newMetrics(Build{}, "t")
	m.registerKey(func() podstatus.Key { return podstatus.Key{} })
	m.registerKafka(func() podstatus.Kafka { return podstatus.Kafka{} })
	m.countKeyRequest("released")
	m.SetLag(0, 1)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}
