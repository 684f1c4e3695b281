package e2e_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

var update = flag.Bool("update", false, "write the settings tables of the README anew")

// Without this a user would set variables that the programs do not read.
func TestREADMESettings(t *testing.T) {
	const file = "../README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for program, settings := range map[string]any{"producer": new(producer.Config), "consumer": new(consumer.Config)} {
		start := "<!-- settings: " + program + " -->\n"
		before, rest, found := strings.Cut(want, start)
		_, after, closed := strings.Cut(rest, "<!-- end -->")
		if !found || !closed {
			t.Fatalf("the README has no settings table of the %s", program)
		}
		want = before + start + kafkaconf.Table(settings) + "<!-- end -->" + after
	}
	if want == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error(`the settings tables are out of date: run "make generate"`)
}
