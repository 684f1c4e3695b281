package docs_test

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"kafka-e2ee/e2e/harness"
)

// Without this scanners might not be able to read a bill of materials, or it could leave out a library with a
// vulnerability.
func TestSBOM(t *testing.T) {
	dir := os.Getenv("SBOM") // "make sbom" wrote them there
	if dir == "" {
		dir = t.TempDir()
		for _, program := range []string{"produce", "consume", "verify"} {
			file := filepath.Join(dir, program)
			if err := os.Link(harness.Build(t, program), file); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("../../tools/sbom", file)
			cmd.Env = append(os.Environ(), "VERSION=v-of-the-test")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.cdx.json"))
	if err != nil || len(files) < 3 {
		t.Fatalf("found %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { checkSBOM(t, file, strings.TrimSuffix(file, ".cdx.json")) })
	}
}

func checkSBOM(t *testing.T, file, program string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sbom struct {
		SpecVersion string
		Metadata    struct {
			Properties []struct{ Name, Value string }
		}
		Components []struct {
			Name, Version string
			Hashes        []struct{ Alg, Content string }
		}
	}
	if err := json.Unmarshal(text, &sbom); err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := cycloneDX(t, sbom.SpecVersion).Validate(document); err != nil {
		t.Errorf("it is not CycloneDX %s: %v", sbom.SpecVersion, err)
	}

	// It must list exactly what the linker recorded in the program.
	linked, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"std": linked.GoVersion}
	for _, module := range linked.Deps {
		want[module.Path] = module.Version
	}
	got := map[string]string{}
	for _, c := range sbom.Components {
		ours := strings.HasPrefix(c.Name+"/", "kafka-e2ee/")
		if ours { // with the program's version
			c.Version = want[c.Name]
		} else if c.Name != "std" && len(c.Hashes) == 0 {
			t.Errorf("%s has no hash", c.Name)
		}
		got[c.Name] = c.Version
	}
	if !maps.Equal(got, want) {
		t.Errorf("it lists %v\nand the program holds %v", got, want)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for _, p := range sbom.Metadata.Properties {
		named = named || strings.HasSuffix(p.Name, "hash:SHA-256") && p.Value == fmt.Sprintf("%x", sha256.Sum256(content))
	}
	if !named {
		t.Error("it does not name the program by its hash")
	}
}

// cycloneDX returns the format's own schema, from its Go library.
func cycloneDX(t *testing.T, version string) *jsonschema.Schema {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-modfile=tools/supply.mod", "-json", "github.com/CycloneDX/cyclonedx-go")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	main := "http://cyclonedx.org/schema/bom-" + version + ".schema.json"
	for url, name := range map[string]string{
		main: "bom-" + version + ".schema.json",
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(url, document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile(main)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Without this "nothing was found" and "nothing was looked up" would have the same exit status.
func TestVulncheckTellsItsOutcomesApart(t *testing.T) {
	t.Parallel()
	database := func(name, modules string) string {
		dir := filepath.Join(t.TempDir(), name)
		for file, text := range map[string]string{
			"index/db.json":      `{"modified":"2026-01-01T00:00:00Z"}`,
			"index/modules.json": modules,
			"ID/GO-2026-0001.json": `{"schema_version":"1.3.1","id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z","summary":"made up","database_specific":{"url":"https://example.org/GO-2026-0001"},
				"affected":[{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
				"ecosystem_specific":{"imports":[{"path":"crypto/rsa","symbols":["EncryptOAEP","EncryptOAEPWithOptions"]}]}}]}`,
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return "file://" + dir
	}
	for name, test := range map[string]struct {
		database string
		status   int
		says     string
	}{
		"nothing known": {database("empty", `[]`), 0, "No vulnerabilities found"},
		"something":     {database("one", `[{"path":"stdlib","vulns":[{"id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z"}]}]`), 3, "GO-2026-0001"},
		"out of reach":  {"http://" + harness.FreeAddr(t), 4, "NOTHING WAS CHECKED"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("../../tools/vulncheck", "envelope", ".")
			cmd.Env = append(os.Environ(), "VULNDB="+test.database)
			out, err := cmd.CombinedOutput()
			var ended *exec.ExitError
			if status := cmd.ProcessState.ExitCode(); status != test.status || err != nil && !errors.As(err, &ended) || !strings.Contains(string(out), test.says) {
				t.Errorf("status %d, want %d and %q: %v\n%s", status, test.status, test.says, err, out)
			}
		})
	}
}
