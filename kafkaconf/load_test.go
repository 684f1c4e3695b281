package kafkaconf_test

import (
	"strings"
	"testing"
	"time"

	"kafka-e2ee/kafkaconf"
)

type sample struct {
	kafkaconf.Settings
	Mixed string        `envconfig:"SkrClientKID" desc:"name of the key"`
	Topic string        `envconfig:"TOPIC" default:"my-topic" desc:"topic"`
	Count uint64        `envconfig:"COUNT" default:"7" desc:"how many"`
	Rate  float64       `envconfig:"RATE" default:"1.5" desc:"rate"`
	Wait  time.Duration `envconfig:"WAIT" default:"3s" desc:"wait"`
	On    bool          `envconfig:"ON" desc:"switch"`
}

func from(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// Without it the document's manifest, whose names are in mixed case, would start a consumer that never asks for its key.
func TestNamesAreExactlyTheTag(t *testing.T) {
	t.Parallel()
	var got sample
	err := kafkaconf.Load(&got, from(map[string]string{
		"SkrClientKID": "demo", "SKRCLIENTKID": "wrong", "BROKERS": "a:1,b:2", "TOPIC": "", "ON": "true",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := sample{Mixed: "demo", Count: 7, Rate: 1.5, Wait: 3 * time.Second, On: true}
	if len(got.Brokers) != 2 || got.Brokers[1] != "b:2" {
		t.Errorf("brokers = %q", got.Brokers)
	}
	got.Brokers = nil
	if got.Mixed != want.Mixed || got.Topic != want.Topic || got.Count != want.Count || got.Rate != want.Rate || got.Wait != want.Wait || !got.On {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Without it a multi-line or quoted value, such as a PEM key or a JSON text, would be changed on its way in.
func TestTextIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	text := "-----BEGIN\n\"quoted\" `ticks` \\ = , \xff\n"
	var got struct {
		Key  string   `envconfig:"KEY"`
		List []string `envconfig:"LIST"`
	}
	if err := kafkaconf.Load(&got, from(map[string]string{"KEY": text, "LIST": "a\n\"\xff"})); err != nil {
		t.Fatal(err)
	}
	if got.Key != text || len(got.List) != 1 || got.List[0] != "a\n\"\xff" {
		t.Errorf("got %q", got)
	}
}

// Without it a person fixes one typo per restart, and a secret put into the wrong variable ends in the log.
func TestAllProblemsAtOnceAndNoValue(t *testing.T) {
	t.Parallel()
	var got sample
	err := kafkaconf.Load(&got, from(map[string]string{"COUNT": "hunter2", "RATE": "hunter2", "WAIT": "hunter2", "ON": "", "BROKERS": ""}))
	if err == nil {
		t.Fatal("want an error")
	}
	for _, name := range []string{"COUNT: ", "RATE: ", "WAIT: ", "ON: ", "BROKERS: "} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q is missing in: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the value is in the error: %v", err)
	}
}

// Without it the README's table could say something else than the program does.
func TestTable(t *testing.T) {
	t.Parallel()
	got := kafkaconf.Table(&sample{})
	for _, row := range []string{"| `SkrClientKID` |  | name of the key |", "| `COUNT` | `7` | how many |", "| `BROKERS` | `my-cluster-kafka-bootstrap:9092` |"} {
		if !strings.Contains(got, row) {
			t.Errorf("row %q is missing in:\n%s", row, got)
		}
	}
	if err := kafkaconf.Load(sample{}, from(nil)); err == nil || kafkaconf.Table(nil) != "" {
		t.Error("a struct that cannot be set must be refused")
	}
}

// Without it a broker list with a slip fails late, in a retry loop, instead of at start.
func TestSaramaRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, brokers := range [][]string{nil, {"secret"}, {"a:1", " b:2"}, {"http://a:1"}} {
		_, err := kafkaconf.Settings{Brokers: brokers}.Sarama("x")
		if err == nil || !strings.Contains(err.Error(), "BROKERS") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", brokers, err)
		}
	}
	if c, err := (kafkaconf.Settings{Brokers: []string{"a:1"}}).Sarama("x"); err != nil || c.ClientID != "x" {
		t.Errorf("%v, %v", c, err)
	}
}

// Without it a broker that comes back is met by all its clients at once, or one waits for minutes.
func TestBackoffGrowsToItsLimit(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]time.Duration{-1: 250 * time.Millisecond, 0: 250 * time.Millisecond, 1: 500 * time.Millisecond, 9: 4 * time.Second, 1 << 30: 4 * time.Second} {
		if d := kafkaconf.Backoff(n, 4*time.Second); d < most/2 || d > most {
			t.Errorf("try %d waits %v, want %v to %v", n, d, most/2, most)
		}
	}
}
