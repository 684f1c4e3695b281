package docs_test

import (
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this, the code in the module's README could differ from the example, which is built and run.
func TestReadmeShowsTheExample(t *testing.T) {
	const page, name = "envelope/README.md", "examples/go-franz/franz.go"
	_, code, found := strings.Cut(harness.ReadFile(t, name), "\n)\n\n") // behind the imports
	if !found {
		t.Fatalf("%s has no imports", name)
	}
	want := "```go\n" + code + "```\n"
	if harness.ReadSection(t, page, name) == want {
		return
	}
	if *update {
		harness.WriteSection(t, page, name, want)
		return
	}
	t.Errorf(`%s does not show %s: run "make generate"`, page, name)
}
