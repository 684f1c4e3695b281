package alerts_test

import (
	"fmt"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this a program could be gone unnoticed because another namespace has one, or the alert could end while it is gone;
// or a producer that has done its work could raise an alarm.
func TestGone(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Promtool)
	folder := t.TempDir()
	writeRules(t, folder, rules(t))
	const runs, ends, finite = "1x300", "1x30 stale", "0x30 stale"
	fires := func(alert, at string, labels ...string) expression {
		e := expression{Expr: fmt.Sprintf(`group by (namespace) (ALERTS{alertname="KafkaE2EE%sGone",alertstate="firing"})`, alert), At: at, Samples: []sample{}}
		for _, l := range labels {
			e.Samples = append(e.Samples, sample{l, 1})
		}
		return e
	}
	consumer := func(namespace, pod string) string {
		return fmt.Sprintf(`e2ee_build_info{namespace=%q,pod=%q,program="consume"}`, namespace, pod)
	}
	producer := func(namespace, pod string) string {
		return fmt.Sprintf(`e2ee_producer_endless{namespace=%q,pod=%q}`, namespace, pod)
	}
	const a, anywhere = `{namespace="a"}`, `{}`
	var tests []unitTest
	for name, test := range map[string]struct {
		values map[string]string // by series
		want   []expression
	}{
		"the consumer of one of two namespaces": {
			map[string]string{consumer("a", "c"): ends, consumer("b", "c"): runs},
			[]expression{fires("Consumer", "40m"), fires("Consumer", "41m", a), fires("Consumer", "200m", a)},
		},
		"one of two consumers": {
			map[string]string{consumer("a", "c"): ends, consumer("a", "d"): runs},
			[]expression{fires("Consumer", "41m"), fires("Consumer", "200m")},
		},
		"there never was a consumer": {
			map[string]string{producer("a", "p"): runs},
			[]expression{fires("Consumer", "9m"), fires("Consumer", "10m", anywhere), fires("Consumer", "200m", anywhere), fires("Producer", "200m")},
		},
		"the endless producer of one of two namespaces": {
			map[string]string{consumer("a", "c"): runs, producer("a", "p"): ends, producer("b", "p"): runs},
			[]expression{fires("Producer", "40m"), fires("Producer", "41m", a), fires("Producer", "200m", a), fires("Consumer", "200m")},
		},
		"one of two endless producers": {
			map[string]string{consumer("a", "c"): runs, producer("a", "p"): ends, producer("a", "q"): runs},
			[]expression{fires("Producer", "41m"), fires("Producer", "200m")},
		},
		"a producer that has finished": {
			map[string]string{consumer("a", "c"): runs, producer("a", "p"): finite},
			[]expression{fires("Producer", "41m"), fires("Producer", "200m"), fires("Consumer", "200m")},
		},
		"an endless producer, beside one whose work ends": {
			map[string]string{consumer("a", "c"): runs, producer("a", "p"): ends, producer("a", "q"): "0x300"},
			[]expression{fires("Producer", "40m"), fires("Producer", "41m", a), fires("Producer", "200m", a)},
		},
	} {
		unit := unitTest{Name: name, Interval: "1m", Expressions: test.want}
		for series, values := range test.values {
			unit.InputSeries = append(unit.InputSeries, inputSeries{series, values})
		}
		tests = append(tests, unit)
	}
	writeYAML(t, folder+"/tests.yaml", map[string]any{"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m", "tests": tests})
	promtool(t, folder, "test", "rules", "tests.yaml")
}
