package settings_test

import (
	"strings"
	"testing"
	"time"

	"kafka-e2ee/settings"
)

type embedded struct {
	Brokers []string `envconfig:"BROKERS" default:"my-cluster-kafka-bootstrap:9092" desc:"addresses"`
}

type sample struct {
	embedded
	Mixed string        `envconfig:"SkrClientKID" desc:"name of the key"`
	Topic string        `envconfig:"TOPIC" default:"my-topic" desc:"topic"`
	Count uint64        `envconfig:"COUNT" default:"7" desc:"how many"`
	Rate  float64       `envconfig:"RATE" default:"1.5" desc:"rate"`
	Wait  time.Duration `envconfig:"WAIT" default:"3s" desc:"wait"`
	On    bool          `envconfig:"ON" desc:"switch"`
	Part  struct {
		Inner string `envconfig:"INNER" default:"inside" desc:"of a named part"`
	}
}

func from(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// Without it the article's manifest, whose names are in mixed case, would start a consumer that never requests its key.
func TestNamesAreExactlyTheTag(t *testing.T) {
	t.Parallel()
	var got sample
	err := settings.Load(&got, from(map[string]string{
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
	if got.Mixed != want.Mixed || got.Topic != want.Topic || got.Count != want.Count || got.Rate != want.Rate || got.Wait != want.Wait || !got.On || got.Part.Inner != "inside" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Without it a multi-line or quoted value, such as a PEM key or JSON, would be changed.
func TestTextIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	text := "-----BEGIN\n\"quoted\" `ticks` \\ = , \xff\n"
	var got struct {
		Key  string   `envconfig:"KEY"`
		List []string `envconfig:"LIST"`
	}
	if err := settings.Load(&got, from(map[string]string{"KEY": text, "LIST": "a\n\"\xff"})); err != nil {
		t.Fatal(err)
	}
	if got.Key != text || len(got.List) != 1 || got.List[0] != "a\n\"\xff" {
		t.Errorf("got %q", got)
	}
}

// Without it a person would fix one typo per restart, and a secret in the wrong variable would be logged.
func TestAllProblemsAtOnceAndNoValue(t *testing.T) {
	t.Parallel()
	var got sample
	err := settings.Load(&got, from(map[string]string{"COUNT": "hunter2", "RATE": "hunter2", "WAIT": "hunter2", "ON": ""}))
	if err == nil {
		t.Fatal("want an error")
	}
	for _, name := range []string{"COUNT: ", "RATE: ", "WAIT: ", "ON: "} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q is missing in: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the value is in the error: %v", err)
	}
}

// Without it the settings table could contradict the program.
func TestTable(t *testing.T) {
	t.Parallel()
	got := settings.Table(&sample{})
	for _, row := range []string{"| `SkrClientKID` |  | name of the key |", "| `COUNT` | `7` | how many |", "| `BROKERS` | `my-cluster-kafka-bootstrap:9092` |"} {
		if !strings.Contains(got, row) {
			t.Errorf("row %q is missing in:\n%s", row, got)
		}
	}
	if err := settings.Load(sample{}, from(nil)); err == nil || settings.Table(nil) != "" {
		t.Error("a struct that cannot be set must be refused")
	}
}

// Without it the original manifests, which set variables to the empty string, would not start, or an empty variable would
// switch off a protection.
func TestEmptyVariables(t *testing.T) {
	t.Parallel()
	type original struct {
		Topic string   `envconfig:"TOPIC" empty:"default" default:"my-topic"`
		Rate  float64  `envconfig:"RATE" empty:"default" default:"10"`
		List  []string `envconfig:"LIST" empty:"default" blanks:"cut" default:"a:1"`
		Addr  string   `envconfig:"ADDR" default:":9464"`
	}
	for _, empty := range []string{"", " \n"} {
		var got original
		if err := settings.Load(&got, from(map[string]string{"TOPIC": "", "RATE": "", "LIST": empty, "ADDR": ""})); err != nil || got.Topic != "my-topic" || got.Rate != 10 || len(got.List) != 1 || got.Addr != "" {
			t.Errorf("%q: %+v, %v", empty, got, err)
		}
	}
	var got struct {
		On bool `envconfig:"ON"`
	}
	if settings.Load(&got, from(map[string]string{"ON": ""})) == nil {
		t.Error("an empty switch must be refused: its meaning is unclear")
	}
}
