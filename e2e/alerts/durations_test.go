package alerts_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

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
		`e2ee_build_info{pod="p",program="produce"}`:                              counting(1, 1),
		`e2ee_key_released{pod="c"}`:                                              counting(1, 1),
		`e2ee_key_state{pod="c",state="released"}`:                                counting(1, 1),
		`e2ee_key_state{pod="c",state="unexpected"}`:                              counting(0, 0),
		`e2ee_web_certificate_expiry_timestamp_seconds{pod="c"}`:                  counting(30*86400, 30*86400),
		`e2ee_web_files_unusable{pod="c",part="certificate"}`:                     counting(0, 0),
		`e2ee_page_attestation_expiry_timestamp_seconds{pod="c"}`:                 counting(8*3600, 8*3600),
		`e2ee_consumer_not_reading_seconds{pod="c"}`:                              counting(0, 0),
		`e2ee_consumer_partitions{pod="c"}`:                                       counting(1, 1),
		`e2ee_consumer_partitions_unreadable{pod="c"}`:                            counting(0, 0),
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
		`e2ee_producer_endless{pod="p"}`:                                          counting(1, 1),
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
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="late"}`:                counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="moved"}`:               counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="repeat"}`:              counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="readers"}`:             counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="stale"}`:               counting(0, 0),
		`e2ee_consumer_flags_total{pod="c",topic="t",flag="unfollowed"}`:          counting(0, 4),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="plain"}`:  counting(0, 0),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="format"}`: counting(0, 0),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="sender"}`: counting(2, 2),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="reader"}`: counting(0, 0),
		`e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="stale"}`:  counting(0, 0),
		`e2ee_producer_records_total{pod="p",outcome="acknowledged"}`:             func(minute int) float64 { return 60 * float64(minute) },
		`e2ee_producer_records_total{pod="p",outcome="failed"}`:                   counting(0, 0),
	}
}

// away is a series that no program exposes.
func away(int) float64 { return math.NaN() }

// growing is a series of seconds that are counted from minute 30 until that one.
func growing(end int) func(minute int) float64 {
	return func(minute int) float64 {
		if minute < 30 || minute >= end {
			return 0
		}
		return 60 * float64(minute-30)
	}
}

// unitTest is one test in promtool's format.
type unitTest struct {
	Name        string        `json:"name"`
	Interval    string        `json:"interval"`
	InputSeries []inputSeries `json:"input_series"`
	Expressions []expression  `json:"promql_expr_test"`
}

type inputSeries struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

type expression struct {
	Expr    string   `json:"expr"`
	At      string   `json:"eval_time"`
	Samples []sample `json:"exp_samples"`
}

type sample struct {
	Labels string  `json:"labels"`
	Value  float64 `json:"value"`
}

// firing expects that exactly these alerts fire at a minute, or fired in a range before it.
func firing(selector string, minute int, names ...string) expression {
	e := expression{Expr: "group by (alertname) (" + selector + ")", At: fmt.Sprint(minute, "m"), Samples: []sample{}}
	for _, name := range names {
		e.Samples = append(e.Samples, sample{fmt.Sprintf("{alertname=%q}", name), 1})
	}
	return e
}

// values returns a series in promtool's notation, with one value a minute for an hour.
func values(value func(minute int) float64) string {
	var list []string
	for minute := range 60 {
		switch v := value(minute); {
		case !math.IsNaN(v):
			list = append(list, strconv.FormatFloat(v, 'g', -1, 64))
		case minute == 30:
			list = append(list, "stale") // the program has ended
		default:
			list = append(list, "_")
		}
	}
	return strings.Join(list, " ")
}

// durations is what happens to the series of two healthy programs, and how soon alerts fire.
type durations struct {
	changed map[string]func(int) float64
	want    string // the alerts that fire between minute 30 and 50, each with its first minute
}

// beforeFirstScrape returns the cases in which a counter rises, each for a pod that starts at minute 30, and whose counter
// has risen already when it is scraped first. Without them whoever writes while a consumer restarts could go unnoticed.
func beforeFirstScrape(cases map[string]durations) map[string]durations {
	risen := map[string]durations{}
	for name, test := range cases {
		for metric := range test.changed {
			if strings.Contains(metric, "_total{") {
				begins := map[string]func(int) float64{metric: counting(math.NaN(), 5)}
				risen[name+", before the first scrape"] = durations{begins, test.want}
			}
		}
	}
	return risen
}

// Without this an alert could stay silent when it is needed, fire sooner or later than documented, or for a page that
// nobody has open, a key that is a minute late, or a standby. These are the durations that are deployed.
func TestDurations(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Promtool)
	series := healthy()
	one := func(metric string, value func(int) float64) map[string]func(int) float64 {
		return map[string]func(int) float64{metric: value}
	}
	records := func(state string) string {
		return `e2ee_consumer_records_total{pod="c",topic="t",state="` + state + `"}`
	}
	flag := func(name string) string { return `e2ee_consumer_flags_total{pod="c",topic="t",flag="` + name + `"}` }
	const (
		lag         = `e2ee_consumer_lag_records{pod="c",topic="t",partition="0"}`
		notReading  = `e2ee_consumer_not_reading_seconds{pod="c"}`
		oldest      = `e2ee_producer_oldest_unacknowledged_seconds{pod="p"}`
		keysStale   = `e2ee_producer_keys_stale{pod="p"}`
		certificate = `e2ee_web_certificate_expiry_timestamp_seconds{pod="c"}`
		files       = `e2ee_web_files_unusable{pod="c",part="certificate"}`
		page        = `e2ee_page_attestation_expiry_timestamp_seconds{pod="c"}`
		released    = `e2ee_key_released{pod="c"}`
		unexpected  = `e2ee_key_state{pod="c",state="unexpected"}`
		assigned    = `e2ee_consumer_partitions{pod="c"}`
		unreadable  = `e2ee_consumer_partitions_unreadable{pod="c"}`
		reading     = `e2ee_kafka_state{pod="c",state="reading"}`
		unreachable = `e2ee_kafka_state{pod="c",state="unreachable"}`
		build       = `e2ee_build_info{pod="c",program="consume"}`
		failed      = `e2ee_producer_records_total{pod="p",outcome="failed"}`
		endless     = `e2ee_producer_endless{pod="p"}`
		queue       = `e2ee_producer_queue_records{pod="p"}`
		rejected    = `e2ee_consumer_rejected_records_total{pod="c",topic="t",reason="`
	)
	cases := map[string]durations{
		"all is well": {nil, ""},
		// As observed with an unreachable broker: no failure, only a queue, and a lag that does not change.
		"Kafka away for 14 minutes": {map[string]func(int) float64{
			notReading: growing(44), reading: until(44, 0, 1), unreachable: until(44, 1, 0), queue: until(44, 1000, 0), oldest: growing(44),
		}, "KafkaE2EENotAcknowledged@33 KafkaE2EENotReading@33"},
		"a consumer that starts meanwhile": {map[string]func(int) float64{
			lag: away, notReading: growing(44), reading: until(44, 0, 1), unreachable: until(44, 1, 0), assigned: counting(0, 0), build: func(minute int) float64 {
				if minute < 30 {
					return math.NaN()
				}
				return 1
			},
		}, "KafkaE2EELagUnknown@32 KafkaE2EENotReading@33"},
		"a standby":                 {map[string]func(int) float64{lag: away, assigned: counting(0, 0)}, ""},
		"a broker is restarted":     {map[string]func(int) float64{notReading: growing(32), reading: until(32, 0, 1)}, ""},
		"a partition has no leader": {one(unreadable, counting(0, 1)), "KafkaE2EEPartitionsUnreadable@32"},
		"a leader changes":          {one(unreadable, until(31, 1, 0)), ""},
		"the producer cannot write": {one(oldest, counting(0, 121)), "KafkaE2EENotAcknowledged@30"},
		"a slow acknowledgement":    {one(oldest, counting(0, 119)), ""},
		"no viewers":                {one(`e2ee_viewers{pod="c"}`, counting(3, 0)), ""},
		"key lost":                  {one(released, counting(1, 0)), "KafkaE2EENoKey@40"},
		"key late by 8 minutes":     {one(released, until(38, 0, 1)), ""},
		"key replaced":              {one(unexpected, until(31, 1, 0)), "KafkaE2EEUnexpectedKey@30"},
		"damaged record":            {one(records("malformed"), counting(5, 6)), "KafkaE2EENotDecrypted@30"},
		"first undecryptable":       {one(records("undecryptable"), counting(0, 1)), "KafkaE2EENotDecrypted@30"},
		"record for another key":    {one(records("unknown_key"), counting(0, 1)), "KafkaE2EENotDecrypted@30"},
		"header not found":          {one(`e2ee_consumer_headers_missing_total{pod="c",topic="t"}`, counting(0, 1)), "KafkaE2EENotDecrypted@30"},
		"batch not unpacked":        {one(records("oversized"), counting(0, 1)), "KafkaE2EENotDecrypted@30"},
		"record in the clear":       {one(records("plain"), counting(0, 1)), "KafkaE2EENotEncrypted@30"},
		"forged":                    {one(`e2ee_consumer_senders_total{pod="c",topic="t",sender="untrusted"}`, counting(0, 1)), "KafkaE2EEUntrustedSender@30"},
		"gap":                       {one(flag("gap"), counting(0, 1)), "KafkaE2EERecordsMissing@30"},
		"moved":                     {one(flag("moved"), counting(0, 1)), "KafkaE2EERecordsMoved@30"},
		"stale":                     {one(flag("stale"), counting(0, 1)), "KafkaE2EEStale@30"},
		"repeated":                  {one(flag("repeat"), counting(0, 1)), "KafkaE2EERepeated@30"},
		"readable by others":        {one(flag("readers"), counting(0, 1)), "KafkaE2EEOtherReaders@30"},
		"late":                      {one(flag("late"), counting(0, 1)), ""},
		"rejected":                  {one(rejected+`sender"}`, counting(2, 3)), "KafkaE2EERejected@30"},
		"rejected as plain":         {one(rejected+`plain"}`, counting(0, 1)), "KafkaE2EERejected@30"},
		"records of before":         {one(rejected+`format"}`, counting(0, 1)), "KafkaE2EERejectedFormat@30"},
		"rejected as stale":         {one(rejected+`stale"}`, counting(0, 1)), "KafkaE2EERejected@30"},
		"behind":                    {one(lag, counting(10, 1001)), "KafkaE2EELag@40"},
		"behind for five minutes":   {one(lag, until(35, 5000, 10)), ""},
		"not acknowledged":          {one(failed, counting(0, 1)), "KafkaE2EENotSent@30"},
		"a typo in a key file":      {one(keysStale, until(35, 1, 0)), "KafkaE2EEProducerKeysStale@31"},
		"a key file is replaced":    {one(keysStale, until(31, 1, 0)), ""},
		"a typo in the page's file": {one(files, until(35, 1, 0)), "KafkaE2EEPageFilesUnusable@31"},
		"certificate expires":       {one(certificate, counting(30*86400, 14*86400)), "KafkaE2EECertificateExpires@30"},
		"never attested":            {one(page, counting(86400, 0)), "KafkaE2EEPageNotAttested@40"},
		"attested late":             {one(page, until(38, 0, 86400)), ""},
		// It expires at minute 50.
		"attestation not renewed": {one(page, counting(50*60, 50*60)), "KafkaE2EEAttestationExpires@38"},
		"consumer gone":           {one(build, until(60, math.NaN(), 1)), "KafkaE2EEConsumerGone@40"},
		"endless producer gone":   {one(endless, until(60, math.NaN(), 1)), "KafkaE2EEProducerGone@40"},
	}
	maps.Copy(cases, beforeFirstScrape(cases))
	var tests []unitTest
	proved := map[string]bool{}
	for name, test := range cases {
		input := maps.Clone(series)
		for metric, value := range test.changed {
			if input[metric] == nil {
				t.Fatalf("%s: no program exposes %s", name, metric)
			}
			input[metric] = value
		}
		unit := unitTest{Name: name, Interval: "1m"}
		for _, metric := range slices.Sorted(maps.Keys(input)) {
			unit.InputSeries = append(unit.InputSeries, inputSeries{metric, values(input[metric])})
		}
		var all []string
		for want := range strings.FieldsSeq(test.want) {
			alert, at, _ := strings.Cut(want, "@")
			first, err := strconv.Atoi(at)
			if err != nil {
				t.Fatal(err)
			}
			selector := fmt.Sprintf(`ALERTS{alertstate="firing",alertname=%q}`, alert)
			unit.Expressions = append(unit.Expressions, firing(selector, first-1), firing(selector, first, alert))
			all, proved[alert] = append(all, alert), true
		}
		unit.Expressions = append(unit.Expressions, firing(`last_over_time(ALERTS{alertstate="firing"}[19m])`, 49, all...))
		tests = append(tests, unit)
	}
	for _, rule := range rules(t) {
		if !proved[rule.Alert] {
			t.Errorf("no case makes %s fire", rule.Alert)
		}
	}
	folder := t.TempDir()
	writeRules(t, folder, rules(t))
	writeYAML(t, folder+"/tests.yaml", map[string]any{"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m", "tests": tests})
	promtool(t, folder, "test", "rules", "tests.yaml")
}
