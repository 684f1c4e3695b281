package e2e_test

import (
	"os"
	"strings"
	"testing"
)

const reliability = "../docs/reliability.md"

// readReliability gives what stands in docs/reliability.md between the marks of
// that name.
func readReliability(t testing.TB, name string) string {
	t.Helper()
	_, between, _ := cutReliability(t, name)
	return between
}

// writeReliability puts a text there.
func writeReliability(t testing.TB, name, text string) {
	t.Helper()
	before, _, after := cutReliability(t, name)
	if err := os.WriteFile(reliability, []byte(before+text+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func cutReliability(t testing.TB, name string) (before, between, after string) {
	t.Helper()
	text, err := os.ReadFile(reliability)
	if err != nil {
		t.Fatal(err)
	}
	start, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(text), start)
	between, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for %s", reliability, name)
	}
	return before + start, between, end + after
}
