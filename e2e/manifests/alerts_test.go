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

// Without this Prometheus could refuse all alerts for a mistake in one, unnoticed until they are needed, or an alert
// could give nobody advice.
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

// counting returns a series that rises from one number to another at minute 30.
func counting(from, to float64) func(minute int) float64 {
	return func(minute int) float64 {
		if minute < 30 {
			return from
		}
		return to
	}
}

// until returns a series with another value from minute 30 until that one.
func until(end int, then, otherwise float64) func(minute int) float64 {
	return func(minute int) float64 {
		if 30 <= minute && minute < end {
			return then
		}
		return otherwise
	}
}

// healthy is what two programs expose when nothing is wrong and nobody has the page open.
func healthy() map[string]func(int) float64 {
	return map[string]func(int) float64{
		`e2ee_build_info{pod="c",program="consume"}`:                              counting(1, 1),
		`e2ee_key_released{pod="c"}`:                                              counting(1, 1),
		`e2ee_key_state{pod="c",state="released"}`:                                counting(1, 1),
		`e2ee_key_state{pod="c",state="unexpected"}`:                              counting(0, 0),
		`e2ee_web_certificate_expiry_timestamp_seconds{pod="c"}`:                  counting(30*86400, 30*86400),
		`e2ee_viewers{pod="c"}`:                                                   counting(0, 0),
		`e2ee_consumer_lag_records{pod="c",topic="t",partition="0"}`:              counting(10, 1000),
		`e2ee_kafka_state{pod="c",state="reading"}`:                               counting(1, 1),
		`e2ee_kafka_state{pod="c",state="connecting"}`:                            counting(0, 0),
		`e2ee_kafka_state{pod="c",state="unreachable"}`:                           counting(0, 0),
		`e2ee_kafka_state{pod="c",state="refused"}`:                               counting(0, 0),
		`e2ee_kafka_state{pod="c",state="no_topic"}`:                              counting(0, 0),
		`e2ee_kafka_state{pod="p",state="writing"}`:                               counting(1, 1),
		`e2ee_kafka_state{pod="p",state="unreachable"}`:                           counting(0, 0),
		`e2ee_producer_oldest_unacknowledged_seconds{pod="p"}`:                    counting(0, 2),
		`e2ee_producer_queue_records{pod="p"}`:                                    counting(0, 1),
		`e2ee_producer_keys_stale{pod="p"}`:                                       counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="decrypted"}`:        func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_consumer_records_total{pod="c",topic="t",state="no_key"}`:           counting(0, 9),
		`e2ee_consumer_records_total{pod="c",topic="t",state="unknown_key"}`:      counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="needs_header"}`:     counting(0, 9),
		`e2ee_consumer_headers_missing_total{pod="c",topic="t"}`:                  counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="undecryptable"}`:    counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="malformed"}`:        counting(5, 5),
		`e2ee_consumer_records_total{pod="c",topic="t",state="plain"}`:            counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="oversized"}`:        counting(0, 0),
		`e2ee_consumer_records_total{pod="c",topic="t",state="tombstone"}`:        counting(0, 9),
		`e2ee_consumer_senders_total{pod="c",topic="t",sender="untrusted"}`:       counting(0, 0),
		`e2ee_consumer_senders_total{pod="c",topic="t",sender="unverified"}`:      func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="gap"}`:                 counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="moved"}`:               counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="repeat"}`:              counting(0, 3),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="readers"}`:             counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="stale"}`:               counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="unfollowed"}`:          counting(0, 4),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="format"}`: counting(0, 0),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="sender"}`: counting(2, 2),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="reader"}`: counting(0, 0),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="stale"}`:  counting(0, 0),
		`e2ee_producer_records_total{pod="p",outcome="acknowledged"}`:             func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_producer_records_total{pod="p",outcome="failed"}`:                   counting(0, 0),
	}
}

// Without this an alert could stay silent when it is needed, or fire for a page that nobody has open, a key that is a
// minute late, or a retry.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	rules := alerts(t).Spec.Groups[0].Rules
	for name, test := range map[string]struct {
		series string
		value  func(int) float64 // nil: the series is gone
		want   string            // the alerts that fire between minute 30 and 50
		also   map[string]func(int) float64
	}{
		"all is well": {"", nil, "", nil},
		// As observed with an unreachable broker: no lag, no failure, only a queue.
		"Kafka away for 14 minutes": {`e2ee_consumer_lag_records{pod="c",topic="t",partition="0"}`, nil, "KafkaE2EENotAcknowledged KafkaE2EENotReading", map[string]func(int) float64{
			`e2ee_kafka_state{pod="c",state="reading"}`:     until(44, 0, 1),
			`e2ee_kafka_state{pod="c",state="unreachable"}`: until(44, 1, 0),
			`e2ee_kafka_state{pod="p",state="writing"}`:     until(44, 0, 1),
			`e2ee_kafka_state{pod="p",state="unreachable"}`: until(44, 1, 0),
			`e2ee_producer_queue_records{pod="p"}`:          until(44, 1000, 0),
			`e2ee_producer_oldest_unacknowledged_seconds{pod="p"}`: func(minute int) float64 {
				if minute < 30 || minute >= 44 {
					return 0
				}
				return 60 * float64(minute-30)
			},
		}},
		"no topic":                  {`e2ee_kafka_state{pod="c",state="reading"}`, until(40, 0, 1), "KafkaE2EENotReading", nil},
		"a broker is restarted":     {`e2ee_kafka_state{pod="c",state="reading"}`, until(32, 0, 1), "", nil},
		"the producer cannot write": {`e2ee_producer_oldest_unacknowledged_seconds{pod="p"}`, counting(0, 121), "KafkaE2EENotAcknowledged", nil},
		"a slow acknowledgement":    {`e2ee_producer_oldest_unacknowledged_seconds{pod="p"}`, counting(0, 119), "", nil},
		"no viewers":                {`e2ee_viewers{pod="c"}`, counting(3, 0), "", nil},
		"key lost":                  {`e2ee_key_released{pod="c"}`, counting(1, 0), "KafkaE2EENoKey", nil},
		"key late by 8 minutes":     {`e2ee_key_released{pod="c"}`, until(38, 0, 1), "", nil},
		"key replaced":              {`e2ee_key_state{pod="c",state="unexpected"}`, until(31, 1, 0), "KafkaE2EEUnexpectedKey", nil},
		"damaged record":            {`e2ee_consumer_records_total{pod="c",topic="t",state="malformed"}`, counting(5, 6), "KafkaE2EENotDecrypted", nil},
		"first undecryptable":       {`e2ee_consumer_records_total{pod="c",topic="t",state="undecryptable"}`, counting(0, 1), "KafkaE2EENotDecrypted", nil},
		"record for another key":    {`e2ee_consumer_records_total{pod="c",topic="t",state="unknown_key"}`, counting(0, 1), "KafkaE2EENotDecrypted", nil},
		"header not found":          {`e2ee_consumer_headers_missing_total{pod="c",topic="t"}`, counting(0, 1), "KafkaE2EENotDecrypted", nil},
		"record in the clear":       {`e2ee_consumer_records_total{pod="c",topic="t",state="plain"}`, counting(0, 1), "KafkaE2EENotEncrypted", nil},
		"batch not unpacked":        {`e2ee_consumer_records_total{pod="c",topic="t",state="oversized"}`, counting(0, 1), "KafkaE2EENotDecrypted", nil},
		"forged":                    {`e2ee_consumer_senders_total{pod="c",topic="t",sender="untrusted"}`, counting(0, 1), "KafkaE2EEUntrustedSender", nil},
		"gap":                       {`e2ee_consumer_flags_total{pod="c",topic="t",flag="gap"}`, counting(0, 1), "KafkaE2EERecordsMissing", nil},
		"moved":                     {`e2ee_consumer_flags_total{pod="c",topic="t",flag="moved"}`, counting(0, 1), "KafkaE2EERecordsMoved", nil},
		"rejected":                  {`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="sender"}`, counting(2, 3), "KafkaE2EERejected", nil},
		"rejected as stale":         {`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="stale"}`, counting(0, 1), "KafkaE2EERejected", nil},
		"stale":                     {`e2ee_consumer_flags_total{pod="c",topic="t",flag="stale"}`, counting(0, 1), "KafkaE2EEStale", nil},
		"readable by others":        {`e2ee_consumer_flags_total{pod="c",topic="t",flag="readers"}`, counting(0, 1), "KafkaE2EEOtherReaders", nil},
		"behind":                    {`e2ee_consumer_lag_records{pod="c",topic="t",partition="0"}`, counting(10, 1001), "KafkaE2EELag", nil},
		"behind for five minutes":   {`e2ee_consumer_lag_records{pod="c",topic="t",partition="0"}`, until(35, 5000, 10), "", nil},
		"not acknowledged":          {`e2ee_producer_records_total{pod="p",outcome="failed"}`, counting(0, 1), "KafkaE2EENotSent", nil},
		"a typo in a key file":      {`e2ee_producer_keys_stale{pod="p"}`, until(35, 1, 0), "KafkaE2EEProducerKeysStale", nil},
		"a key file is replaced":    {`e2ee_producer_keys_stale{pod="p"}`, until(31, 1, 0), "", nil},
		"certificate expires":       {`e2ee_web_certificate_expiry_timestamp_seconds{pod="c"}`, counting(30*86400, 14*86400), "KafkaE2EECertificateExpires", nil},
		"consumer gone":             {`e2ee_build_info{pod="c",program="consume"}`, nil, "KafkaE2EEGone", nil},
	} {
		series := healthy()
		if test.series != "" && series[test.series] == nil {
			t.Fatalf("%s: no such series", name)
		}
		for name := range test.also {
			if series[name] == nil {
				t.Fatalf("%s: no such series", name)
			}
		}
		maps.Copy(series, test.also)
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

// remembering is a database with one value a minute for an hour.
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

// fires evaluates an alert as Prometheus does: it fires once its expression has had a result for the time in "for".
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
