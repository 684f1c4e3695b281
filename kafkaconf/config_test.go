package kafkaconf_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/settings"
)

func from(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// Without it a mistyped broker list would fail late, in a retry loop, instead of at the start.
func TestSaramaRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, brokers := range [][]string{
		nil,
		{"secret"},
		{"a:1", " b:2"},
		{"http://a:1"},
		{"secret"},
		{"secret:"},
		{"secret:99999"},
		{"secret:0"},
		{"secret:kafka"},
		{"secret:1;b:2"},
		{`"secret:1"`},
		{"secret:1\n"},
		{"secret\r:1"},
		{":9092"},
		{"::1:9092"},
		{"[secret]:1"},
		{"999.1.1.1:9092"},
		{"sec ret:1"},
		{"-secret:1"},
		{"a..secret:1"},
		{"secret:+1"},
	} {
		_, err := kafkaconf.Settings{Brokers: brokers}.Sarama("x")
		if err == nil || !strings.Contains(err.Error(), "BROKERS") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", brokers, err)
		}
	}
	for _, good := range []string{"a:1", "127.0.0.1:65535", "[::1]:9092", "[fe80::1%eth0]:9092", "my-cluster-kafka-bootstrap.kafka.svc.:9092", "kafka_1:9092", "1a.b2:9092"} {
		if c, err := (kafkaconf.Settings{Brokers: []string{good}}).Sarama("x"); err != nil || c.ClientID != "x" {
			t.Errorf("%s: %v, %v", good, c, err)
		}
	}
}

// Without it all clients would reconnect to a restarted broker at once, or one would wait for minutes.
func TestBackoffGrowsToItsLimit(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]time.Duration{-1: 250 * time.Millisecond, 0: 250 * time.Millisecond, 1: 500 * time.Millisecond, 9: 4 * time.Second, 1 << 30: 4 * time.Second} {
		if d := kafkaconf.Backoff(n, 4*time.Second); d < most/2 || d > most {
			t.Errorf("try %d waits %v, want %v to %v", n, d, most/2, most)
		}
	}
}

// Without it an address from a file, which ends with a line break, would be dialled forever in vain.
func TestBlanksAroundAddressesAreCut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"127.0.0.1:5399\n", "127.0.0.1:5399\r\n", " 127.0.0.1:5399 ", "\t127.0.0.1:5399"} {
		var got kafkaconf.Settings
		if err := errors.Join(settings.Load(&got, from(map[string]string{"BROKERS": text + ", b:2\n"})), got.Check()); err != nil || len(got.Brokers) != 2 || got.Brokers[0] != "127.0.0.1:5399" || got.Brokers[1] != "b:2" {
			t.Errorf("%q: %q, %v", text, got.Brokers, err)
		}
	}
}

// Without it a manifest of the original programs would seem to work, but write to a Kafka that it does not name.
func TestOriginalsAreNamed(t *testing.T) {
	t.Parallel()
	if got := kafkaconf.IgnoredVariables(from(map[string]string{"LOG_FILE": ""})); got != "" {
		t.Errorf("nothing is set, and it says %q", got)
	}
	got := kafkaconf.IgnoredVariables(from(map[string]string{"EVENTHUB_NAMESPACE": "hunter2", "EVENTHUB": "hunter2", "LOG_FILE": "hunter2"}))
	for _, want := range []string{"EVENTHUB_NAMESPACE use BROKERS=", "KAFKA_PRESET=event-hubs", "EVENTHUB use TOPIC", "LOG_FILE use the container's log"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(got, "hunter2") {
		t.Errorf("it holds a value: %q", got)
	}
}
