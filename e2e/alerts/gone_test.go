package alerts_test

import (
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this a consumer could be gone unnoticed because another namespace has one, or the alert could end while it is
// gone; or a producer that has finished could alert forever.
func TestGone(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Promtool)
	folder := t.TempDir()
	writeRules(t, folder, rules(t))
	const (
		runs, ends = "1x300", "1x30 stale"
		gone       = `ALERTS{alertname="KafkaE2EEGone",alertstate="firing"}`
	)
	fires := func(at string, labels ...string) expression {
		e := expression{Expr: "group by (namespace, program) (" + gone + ")", At: at, Samples: []sample{}}
		for _, l := range labels {
			e.Samples = append(e.Samples, sample{l, 1})
		}
		return e
	}
	const consumer, producer = `{namespace="a",program="consume"}`, `{namespace="a",program="produce"}`
	var tests []unitTest
	for name, test := range map[string]struct {
		values map[string]string // of the information about the programs, by its labels
		want   []expression
	}{
		"the consumer of one of two namespaces": {
			map[string]string{`{namespace="a",pod="c",program="consume"}`: ends, `{namespace="b",pod="c",program="consume"}`: runs},
			[]expression{fires("40m"), fires("41m", consumer), fires("200m", consumer)},
		},
		"one of two consumers": {
			map[string]string{`{namespace="a",pod="c",program="consume"}`: ends, `{namespace="a",pod="d",program="consume"}`: runs},
			[]expression{fires("41m"), fires("200m")},
		},
		"a producer": {
			map[string]string{`{namespace="a",pod="c",program="consume"}`: runs, `{namespace="a",pod="p",program="produce"}`: ends},
			[]expression{fires("40m"), fires("41m", producer), fires("89m", producer), fires("91m")},
		},
		"there never was a consumer": {
			map[string]string{`{namespace="a",pod="p",program="produce"}`: runs},
			[]expression{fires("9m"), fires("10m", `{program="consume"}`), fires("200m", `{program="consume"}`)},
		},
	} {
		unit := unitTest{Name: name, Interval: "1m", Expressions: test.want}
		for labels, values := range test.values {
			unit.InputSeries = append(unit.InputSeries, inputSeries{"e2ee_build_info" + labels, values})
		}
		tests = append(tests, unit)
	}
	writeYAML(t, folder+"/tests.yaml", map[string]any{"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m", "tests": tests})
	promtool(t, folder, "test", "rules", "tests.yaml")
}
