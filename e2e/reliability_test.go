package e2e_test

import (
	"os"
	"strings"
	"testing"
)

// writeReliability puts a table into docs/reliability.md, between its marks.
func writeReliability(t testing.TB, name, table string) {
	t.Helper()
	const file = "../docs/reliability.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mark := "<!-- " + name + " -->\n"
	before, rest, found := strings.Cut(string(text), mark)
	_, after, closed := strings.Cut(rest, "<!-- end -->")
	if !found || !closed {
		t.Fatalf("docs/reliability.md has no place for %s", name)
	}
	if err := os.WriteFile(file, []byte(before+mark+table+"<!-- end -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
