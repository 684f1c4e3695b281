package docs_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/producer"
	progsettings "kafka-e2ee/settings"
)

var update = flag.Bool("update", false, "write what the pages show of the code")

// Without this a user could set variables that the programs do not read.
func TestSettingsTables(t *testing.T) {
	const file = "../../docs/settings.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for program, config := range map[string]any{"producer": new(producer.Config), "consumer": new(consumer.Config)} {
		start := "<!-- settings: " + program + " -->\n"
		before, rest, found := strings.Cut(want, start)
		_, after, closed := strings.Cut(rest, "<!-- end -->")
		if !found || !closed {
			t.Fatalf("docs/settings.md has no table for the %s", program)
		}
		want = before + start + progsettings.Table(config) + "<!-- end -->" + after
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
