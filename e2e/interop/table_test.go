package interop_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this, docs/interop.md could promise what no test runs, or name other versions than the tests use.
func TestInteropTable(t *testing.T) {
	page := harness.ReadFile(t, "docs/interop.md")
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, file := range files {
		sources.WriteString(read(t, file))
	}
	rows := 0
	for line := range strings.SplitSeq(page, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) < 6 || !strings.Contains(line, "`Test") {
			continue
		}
		rows++
		for _, test := range regexp.MustCompile("`(Test\\w+)(?:/([\\w-]+))?`").FindAllStringSubmatch(cells[len(cells)-1], -1) {
			if _, known := examples()[test[2]]; !strings.Contains(sources.String(), "func "+test[1]+"(") || test[2] != "" && !known {
				t.Errorf("there is no test %s", test[0])
			}
		}
	}
	if rows < 8 {
		t.Errorf("the table has %d rows", rows)
	}
	for name := range examples() {
		if !strings.Contains(page, "`TestExamples/"+name+"`") {
			t.Errorf("the table lacks the example %s", name)
		}
	}
	for library, pinned := range map[string]string{
		"franz-go 1.22":          "examples/go-franz/go.mod: github.com/twmb/franz-go v1.22.",
		"Nimbus JOSE + JWT 10 ":  "examples/java/pom.xml: <artifactId>nimbus-jose-jwt</artifactId><version>10.",
		"kafka-clients 4 ":       "examples/java/pom.xml: <artifactId>kafka-clients</artifactId><version>4.",
		"joserfc 1.8 ":           "examples/python/requirements.txt: joserfc==1.8.",
		"confluent-kafka 2 ":     "examples/python/requirements.txt: confluent-kafka==2.",
		"jose 6 ":                `examples/node/package.json: "jose": "6.`,
		"@platformatic/kafka 1 ": `examples/node/package.json: "@platformatic/kafka": "1.`,
		"go-jose 4 ":             "e2e/go.mod: github.com/go-jose/go-jose/v4 v4.",
		"jwx 3 ":                 "e2e/go.mod: github.com/lestrrat-go/jwx/v3 v3.",
	} {
		file, version, _ := strings.Cut(pinned, ": ")
		if !strings.Contains(page, library) || !strings.Contains(harness.ReadFile(t, file), version) {
			t.Errorf("the table must name %q, and %s must have %q", library, file, version)
		}
	}
}

// Without this, an installation from an example could depend on a registry that only its author reaches.
func TestExamplesNameNoRegistry(t *testing.T) {
	for _, file := range []string{"node/package-lock.json", "python/requirements.txt", "java/pom.xml"} {
		text := harness.ReadFile(t, "examples/"+file)
		for _, word := range []string{`"resolved"`, "--index-url", "--find-links", "--trusted-host", "<repository>", "<pluginRepository>"} {
			if strings.Contains(text, word) {
				t.Errorf("examples/%s has %s", file, word)
			}
		}
	}
}

// Without this, a shell with the examples' settings could not start our programs, as examples/README.md tells its reader to.
func TestExamplesSettingsAreNotOurs(t *testing.T) {
	ours := harness.ReadFile(t, "docs/settings.md")
	exported := regexp.MustCompile(`(?m)^export .*`).FindAllString(harness.ReadFile(t, "examples/README.md"), -1)
	names := regexp.MustCompile(`\b([A-Z_]+)=`).FindAllStringSubmatch(strings.Join(exported, "\n"), -1)
	if len(names) < 6 {
		t.Fatalf("examples/README.md exports %v", exported)
	}
	for _, name := range names {
		if shared := name[1] == "BROKERS" || name[1] == "TOPIC"; strings.Contains(ours, "| `"+name[1]+"` |") != shared {
			t.Errorf("%s: it must be a setting of our programs: %t", name[1], shared)
		}
	}
}
