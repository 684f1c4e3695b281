package manifests_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"sigs.k8s.io/yaml"
)

func alerts(t *testing.T) *monitoringv1.PrometheusRule {
	t.Helper()
	_, c := choice{ordinary, []string{"settings", "strimzi", "monitoring"}}.renders(t)
	if len(c.alerts) != 1 {
		t.Fatalf("%d lists of alerts", len(c.alerts))
	}
	return c.alerts[0]
}

// Without this Prometheus refuses all alerts for one slip in one, and nobody notices before it is needed; or an alert
// tells nobody what to do.
func TestAlertsAreValid(t *testing.T) {
	t.Parallel()
	text, err := yaml.Marshal(alerts(t).Spec)
	if err != nil {
		t.Fatal(err)
	}
	// promtool's check of rules.
	if _, problems := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)); len(problems) > 0 {
		t.Fatal(problems)
	}
	operations := read(t, "../../docs/operations.md")
	for _, rule := range alerts(t).Spec.Groups[0].Rules {
		if !strings.Contains(operations, "| `"+rule.Alert+"` |") {
			t.Errorf("docs/operations.md does not say what to do about %s", rule.Alert)
		}
		if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
			t.Errorf("%s: labels %v, annotations %v", rule.Alert, rule.Labels, rule.Annotations)
		}
	}
}

// counting is a series whose value goes from one number to another at minute 30.
func counting(from, to float64) func(minute int) float64 {
	return func(minute int) float64 {
		if minute < 30 {
			return from
		}
		return to
	}
}

// between is a series with another value for some minutes.
func between(from, to int, then, otherwise float64) func(minute int) float64 {
	return func(minute int) float64 {
		if from <= minute && minute < to {
			return then
		}
		return otherwise
	}
}

// healthy is what two programs expose when nothing is wrong and nobody looks at the page.
func healthy() map[string]func(int) float64 {
	return map[string]func(int) float64{
		`e2ee_build_info{pod="c",program="consume"}`:                           counting(1, 1),
		`e2ee_key_released{pod="c"}`:                                           counting(1, 1),
		`e2ee_web_certificate_expires_seconds{pod="c"}`:                        counting(30*86400, 30*86400),
		`e2ee_viewers{pod="c"}`:                                                counting(0, 0),
		`e2ee_consumer_lag{pod="c",topic="t",partition="0"}`:                   counting(10, 1000),
		`e2ee_consumer_records_total{pod="c",topic="t",state="decrypted"}`:     func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_consumer_records_total{pod="c",topic="t",state="no_key"}`:        counting(0, 9),
		`e2ee_consumer_records_total{pod="c",topic="t",state="unknown_key"}`:   counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="undecryptable"}`: counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="malformed"}`:     counting(5, 5),
		`e2ee_consumer_records_total{pod="c",topic="t",state="plain"}`:         counting(0, 0),
		`e2ee_consumer_senders_total{pod="c",sender="untrusted"}`:              counting(0, 0),
		`e2ee_consumer_senders_total{pod="c",sender="unverified"}`:             func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_consumer_flags_total{pod="c",flag="gap"}`:                        counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",flag="moved"}`:                      counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",flag="repeat"}`:                     counting(0, 3),
		`e2ee_producer_records_total{pod="p",outcome="acknowledged"}`:          func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_producer_records_total{pod="p",outcome="failed"}`:                counting(0, 0),
	}
}

// Without this an alert stays silent when it is needed, or calls somebody for a page that nobody has open, a key that
// comes a minute late, or a retry.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	rules := alerts(t).Spec.Groups[0].Rules
	for name, test := range map[string]struct {
		series string
		value  func(int) float64 // nil: the series is gone
		want   string            // the alerts that fire between minute 30 and 50
	}{
		"all is well":             {"", nil, ""},
		"no viewers":              {`e2ee_viewers{pod="c"}`, counting(3, 0), ""},
		"key lost":                {`e2ee_key_released{pod="c"}`, counting(1, 0), "KafkaE2EENoKey"},
		"key late by 8 minutes":   {`e2ee_key_released{pod="c"}`, between(30, 38, 0, 1), ""},
		"damaged record":          {`e2ee_consumer_records_total{pod="c",topic="t",state="malformed"}`, counting(5, 6), "KafkaE2EENotDecrypted"},
		"first undecryptable":     {`e2ee_consumer_records_total{pod="c",topic="t",state="undecryptable"}`, counting(0, 1), "KafkaE2EENotDecrypted"},
		"record for another key":  {`e2ee_consumer_records_total{pod="c",topic="t",state="unknown_key"}`, counting(0, 1), "KafkaE2EENotDecrypted"},
		"record in the clear":     {`e2ee_consumer_records_total{pod="c",topic="t",state="plain"}`, counting(0, 1), "KafkaE2EENotEncrypted"},
		"forged":                  {`e2ee_consumer_senders_total{pod="c",sender="untrusted"}`, counting(0, 1), "KafkaE2EEUntrustedSender"},
		"gap":                     {`e2ee_consumer_flags_total{pod="c",flag="gap"}`, counting(0, 1), "KafkaE2EERecordsMissing"},
		"moved":                   {`e2ee_consumer_flags_total{pod="c",flag="moved"}`, counting(0, 1), "KafkaE2EERecordsMoved"},
		"behind":                  {`e2ee_consumer_lag{pod="c",topic="t",partition="0"}`, counting(10, 1001), "KafkaE2EELag"},
		"behind for five minutes": {`e2ee_consumer_lag{pod="c",topic="t",partition="0"}`, between(30, 35, 5000, 10), ""},
		"not acknowledged":        {`e2ee_producer_records_total{pod="p",outcome="failed"}`, counting(0, 1), "KafkaE2EENotSent"},
		"certificate expires":     {`e2ee_web_certificate_expires_seconds{pod="c"}`, counting(30*86400, 14*86400), "KafkaE2EECertificateExpires"},
		"consumer gone":           {`e2ee_build_info{pod="c",program="consume"}`, nil, "KafkaE2EEGone"},
	} {
		series := healthy()
		if test.series != "" && series[test.series] == nil {
			t.Fatalf("%s: no such series", name)
		}
		delete(series, test.series)
		if test.value != nil {
			series[test.series] = test.value
		}
		engine := promql.NewEngine(promql.EngineOpts{Logger: slog.New(slog.DiscardHandler), MaxSamples: 100_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
		database := remembering(t, series)
		fired := map[string]bool{}
		for _, rule := range rules {
			for minute := 30; minute <= 50; minute++ {
				if fires(t, engine, database, rule, minute) {
					fired[rule.Alert] = true
				}
			}
		}
		if got := strings.Join(slices.Sorted(maps.Keys(fired)), " "); got != test.want {
			t.Errorf("%s: %q fires, want %q", name, got, test.want)
		}
	}
}

// seriesSet is a result of the database below.
type seriesSet []storage.Series

func (s *seriesSet) Next() bool                     { *s = (*s)[1:]; return len(*s) > 0 }
func (s seriesSet) At() storage.Series              { return s[0] }
func (seriesSet) Err() error                        { return nil }
func (seriesSet) Warnings() annotations.Annotations { return nil }

// remembering is a database with one value a minute, for an hour.
func remembering(t *testing.T, series map[string]func(int) float64) storage.Queryable {
	t.Helper()
	var all []promql.Series
	for name, value := range series {
		metric, err := parser.NewParser(parser.Options{}).ParseMetric(name)
		if err != nil {
			t.Fatal(err)
		}
		one := promql.Series{Metric: metric}
		for minute := range 60 {
			one.Floats = append(one.Floats, promql.FPoint{T: int64(minute) * 60_000, F: value(minute)})
		}
		all = append(all, one)
	}
	choose := func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		found := seriesSet{nil} // before the first
		for _, one := range all {
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.Metric.Get(m.Name)) }) {
				found = append(found, promql.NewStorageSeries(one))
			}
		}
		return &found
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{SelectMockFunction: choose}}
}

// fires evaluates as Prometheus does: an alert fires once its expression has given something for as long as "for" says.
func fires(t *testing.T, engine *promql.Engine, database storage.Queryable, rule monitoringv1.Rule, minute int) bool {
	t.Helper()
	held := time.Duration(0)
	if rule.For != nil {
		parsed, err := model.ParseDuration(string(*rule.For))
		if err != nil {
			t.Fatal(err)
		}
		held = time.Duration(parsed)
	}
	for at := minute; at >= minute-int(held/time.Minute); at-- {
		query, err := engine.NewInstantQuery(t.Context(), database, nil, rule.Expr.String(), time.Unix(int64(at)*60, 0))
		if err != nil {
			t.Fatal(err)
		}
		result := query.Exec(t.Context())
		vector, err := result.Vector()
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", rule.Alert, err))
		}
		empty := len(vector) == 0
		query.Close()
		if empty {
			return false
		}
	}
	return true
}
