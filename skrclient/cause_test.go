package skrclient

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Without this a log would show the code of a cause in place of its sentence, and the page might have no words for it.
func TestEveryCauseHasText(t *testing.T) {
	source, err := os.ReadFile("cause.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Cause = "([a-z_]+)"`).FindAllSubmatch(source, -1)
	all := Causes()
	if len(codes) != len(all) {
		t.Errorf("there are %d constants and %d causes", len(codes), len(all))
	}
	for _, code := range codes {
		cause := Cause(code[1])
		if !slices.Contains(all, cause) || cause.Text() == "" || cause.Text() == string(cause) || cause.reason().hint == "" {
			t.Errorf("%s: got text %q, hint %q", cause, cause.Text(), cause.reason().hint)
		}
	}
}
