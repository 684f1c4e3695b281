package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/scenario"
)

// Without this the READMEs would name numbers that were true once.
func TestReadmesCount(t *testing.T) {
	_, table, _ := strings.Cut(harness.ReadFile(t, "docs/reliability.md"), "<!-- faults -->")
	table, _, _ = strings.Cut(table, "<!-- end -->")
	faults := len(regexp.MustCompile(`(?m)^\| [A-Z0-9]`).FindAllString(table, -1)) - 1 // without the head
	word := map[int]string{8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen"}
	numberOf := func(n int) string {
		t.Helper()
		if word[n] == "" {
			t.Fatalf("the test knows no word for %d", n)
		}
		return word[n]
	}
	for page, texts := range map[string][]string{
		"README.md": {
			numberOf(len(attacks.All())) + " attacks and " + numberOf(len(scenario.All())) + " scenarios",
			numberOf(len(attacks.All())) + " [attacks of Kafka's operator]",
			"[" + numberOf(len(attacks.All())) + " attacks]",
			"under " + strconv.Itoa(faults) + " injected faults",
		},
		"README.ja.md": {
			strconv.Itoa(len(attacks.All())) + " の攻撃と " + strconv.Itoa(len(scenario.All())) + " つのシナリオ",
			strconv.Itoa(len(attacks.All())) + " 種類の攻撃",
			strconv.Itoa(faults) + " 種類の障害",
		},
	} {
		text := harness.ReadFile(t, page)
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", page, want)
			}
		}
	}
}

// Without this somebody who looks for code would find folders that nothing explains.
func TestReadmeExplainsEveryFolder(t *testing.T) {
	_, table, found := strings.Cut(harness.ReadFile(t, "README.md"), "## The code")
	if !found {
		t.Fatal("README.md has no section about the code")
	}
	entries, err := os.ReadDir(harness.Path(t, "."))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		// "make build" creates bin, "make release" dist.
		name := entry.Name()
		if entry.IsDir() && !strings.HasPrefix(name, ".") && !slices.Contains([]string{"bin", "dist", "docs"}, name) && !strings.Contains(table, "`"+name+"/`") {
			t.Errorf("README.md does not explain %s/", name)
		}
	}
}

// Without this somebody could install a release of Go that the workspace refuses.
func TestReadmesNameTheReleaseOfGo(t *testing.T) {
	release := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(harness.ReadFile(t, "go.work"))
	for _, page := range []string{"README.md", "README.ja.md", "docs/walkthrough.md", "docs/walkthrough.ja.md", "docs/demo.md", "docs/demo.ja.md"} {
		if want := "Go " + release[1]; !strings.Contains(harness.ReadFile(t, page), want+" ") {
			t.Errorf("%s does not say %s, which go.work wants", page, want)
		}
	}
}
