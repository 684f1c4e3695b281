package attacks

import (
	"strings"
	"testing"
)

// Without this a table in the documents could be outdated, or replace the text around it.
func TestUpdateReplacesTheRows(t *testing.T) {
	board := Scoreboard{
		{"one", []Observation{{Attack: "tamper", Outcome: Refused, Marks: []string{"malformed"}}}},
		{"two", []Observation{{Attack: "replay", Outcome: Flagged, Marks: []string{"gap", "late"}}, {Attack: "tamper", Outcome: NotNoticed}}},
		{"three", []Observation{{Attack: "tamper", Outcome: Refused, Marks: []string{"rejected (reader)"}, Read: make([]Reading, 1)}, {Attack: "replay", Outcome: NotNoticed, Read: make([]Reading, 1)}}},
	}
	const before = "text\n<!-- scoreboard -->\n| | 列 |\n|---|---|\n| old |\n<!-- end -->\nmore\n"
	got, err := board.Update([]byte(before))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"text\n<!-- scoreboard -->\n| | 列 |\n|---|---|\n| `tamper` | refused: malformed | **not noticed** | **read** by the operator; refused: rejected (reader) |\n",
		"\n| `replay` | - | flagged: gap, late | **read** by the operator; **not noticed** |\n", "|\n<!-- end -->\nmore\n",
	} {
		if !strings.Contains(string(got), want) || strings.Contains(string(got), "old") {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
	if again, err := board.Update(got); err != nil || string(again) != string(got) {
		t.Errorf("a second time: %s, %v", again, err)
	}
	for _, bad := range []string{"", "<!-- scoreboard -->\n| |\n|---|\n", "<!-- scoreboard -->\n<!-- end -->\n", "<!-- end -->\n"} {
		if got, err := board.Update([]byte(bad)); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
	if text := board.String(); !strings.Contains(text, "NOT NOTICED") || strings.Count(text, "\n") != len(All())+1 {
		t.Errorf("got\n%s", text)
	}
}
