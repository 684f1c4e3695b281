package manifests_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the chart's generated files")

// Without this the chart's values could be misspelt unnoticed, or documented as they were once.
func TestChartValuesAreDocumented(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(readChart(t, "values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	table, schema := rowsAndSchema(t, "", document.Content[0])
	if properties, is := schema["properties"].(map[string]any); is {
		properties["global"] = map[string]any{"type": "object"} // what Helm gives to each chart that another one includes
	}
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	generated(t, "values.schema.json", string(text)+"\n")

	page := readChart(t, "README.md")
	const start, end = "<!-- values -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(page, start)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the chart's README has no table of values")
	}
	generated(t, "README.md", before+start+"| Value | Default | Meaning |\n|---|---|---|\n"+table+end+after)
}

// rowsAndSchema returns the rows of the README's table and the JSON schema of the values below a node of values.yaml.
func rowsAndSchema(t *testing.T, prefix string, mapping *yaml.Node) (rows string, schema map[string]any) {
	t.Helper()
	properties := make(map[string]any)
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode {
			below, object := rowsAndSchema(t, name+".", value)
			rows += below
			properties[key.Value] = object
			continue
		}
		comment := strings.ReplaceAll(strings.ReplaceAll(key.HeadComment, "\n# ", " "), "# ", "")
		if comment == "" {
			t.Errorf("values.yaml says nothing about %s", name)
		}
		standard := ""
		if value.Value != "" {
			standard = "`" + value.Value + "`"
		}
		rows += fmt.Sprintf("| `%s` | %s | %s |\n", name, standard, comment)
		properties[key.Value] = leaf(value, comment)
	}
	return rows, map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// leaf returns the JSON schema of one value. A comment that lists the choices makes them the only ones.
func leaf(value *yaml.Node, comment string) map[string]any {
	schema := map[string]any{"description": comment, "type": "string"}
	switch {
	case value.Kind == yaml.SequenceNode:
		schema["type"], schema["items"] = "array", map[string]any{"type": "string"}
	case value.Tag == "!!bool":
		schema["type"] = "boolean"
	}
	if found := regexp.MustCompile(`One of: (.+)\.$`).FindStringSubmatch(comment); found != nil {
		schema["enum"] = strings.Split(found[1], ", ")
	}
	return schema
}

// Without this the same choice could be another sidecar, key or guest with Helm than with kustomize.
func TestChartDefaultsAreTheSettings(t *testing.T) {
	t.Parallel()
	var shipped struct {
		Images     struct{ Sidecar string }
		Key        struct{ Name string }
		CoCo       struct{ RuntimeClass, KeyResource string }
		Page       struct{ ViewerNamespace, DNSLabel string }
		Monitoring struct{ Release string }
	}
	if err := sigsyaml.Unmarshal([]byte(readChart(t, "values.yaml")), &shipped); err != nil {
		t.Fatal(err)
	}
	for variable, standard := range map[string]string{
		"SKR_IMAGE": shipped.Images.Sidecar, "KEY_NAME": shipped.Key.Name, "RUNTIME_CLASS": shipped.CoCo.RuntimeClass, "KEY_RESOURCE": shipped.CoCo.KeyResource,
		"VIEWER_NAMESPACE": shipped.Page.ViewerNamespace, "PAGE_DNS_LABEL": shipped.Page.DNSLabel, "MONITORING_RELEASE": shipped.Monitoring.Release,
	} {
		if line := variable + "=" + standard + "\n"; !strings.Contains("\n"+read(t, settings), "\n"+line) {
			t.Errorf("settings.env has no line %q, the chart's default", line)
		}
	}
}

// Without this alerts and dashboards could differ between Helm and kustomize.
func TestChartHasTheMonitoring(t *testing.T) {
	kustomization := path.Join(ordinary, "kustomization.yaml")
	files := choice{ordinary, []string{"settings", "monitoring"}}.files(t)
	all := objects(t, render(t, ordinary, map[string]string{kustomization: files[kustomization]}))
	maps.DeleteFunc(all, func(_, text string) bool { return !strings.Contains(text, "app.kubernetes.io/component: monitoring") })
	if len(all) < 3 {
		t.Fatalf("%d objects", len(all))
	}
	kept := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		kind, name, _ := strings.Cut(name, " ")
		file := strings.ToLower(kind) + "-" + path.Base(name) + ".yaml"
		kept[file] = true
		generated(t, "files/"+file, all[kind+" "+name])
	}
	entries, err := os.ReadDir(path.Join(chartFolder, "files"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if kept[entry.Name()] {
			continue
		}
		if !*update {
			t.Errorf(`deploy/helm/files/%s is of an object that is no longer there: run "make generate"`, entry.Name())
			continue
		}
		if err := os.Remove(path.Join(chartFolder, "files", entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// generated checks a generated file of the chart, or writes it.
func generated(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		file := path.Join(chartFolder, name)
		if err := os.MkdirAll(path.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if readChart(t, name) != want {
		t.Errorf(`deploy/helm/%s is out of date: run "make generate"`, name)
	}
}

func readChart(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(chartFolder, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}
