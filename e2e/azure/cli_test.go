package azure_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// azureConfigurations are the ways through the scripts that call az differently.
var azureConfigurations = map[string]struct {
	vault string
	there map[string]map[string]string
	given map[string]string
}{
	"new":             {"demovault.vault.azure.net", nil, map[string]string{"KUBERNETES_VERSION": "1.30"}},
	"virtual nodes":   {"demovault.vault.azure.net", nil, platforms["confidential-aci"]},
	"event hubs":      {"demovault.vault.azure.net", nil, platforms["confidential-aci-event-hubs"]},
	"container group": {"demovault.vault.azure.net", nil, platforms["container-group"]},
	"own Kafka":       {"demovault.vault.azure.net", nil, platforms["container-group-own-kafka"]},
	"strict":          {"demovault.vault.azure.net", nil, map[string]string{"STRICT": "yes"}},
	"existing": {
		"demohsm.managedhsm.azure.net",
		map[string]map[string]string{"group/demo": nil, "cluster/mine": {"group": "demo"}, "hsm/demohsm": nil, "registry/demoimages": {"group": "shared"}},
		map[string]string{"CLUSTER_IS": "existing", "ATTESTATION_NAME": "", "ATTESTATION_HOST": harness.AttestationHost, "KEY_STEPS": "two"},
	},
}

// Without this a dry run could leave out commands, or run them.
func TestAzureDryRun(t *testing.T) {
	t.Parallel()
	for name, way := range azureConfigurations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, way.vault)
			maps.Copy(s.given, way.given)
			out := s.must("all", "--dry-run")
			if calls := s.world.Calls(); len(calls) > 0 || len(s.resources()) > 0 {
				t.Errorf("it ran %d commands", len(calls))
			}
			if _, err := os.Stat(filepath.Join(s.dir, "state")); err == nil {
				t.Error("it left files")
			}
			for id, attributes := range way.there {
				s.world.Add(id, attributes)
			}
			s.must("all")
			for _, call := range s.world.Calls() {
				// setup-key.sh and deploy/images report their own commands.
				if call.Name == "docker" && call.Args[0] != "push" && call.Args[0] != "tag" || slices.Contains(call.Args, "rest") || strings.Contains(call.String(), "Release User --assignee pod") {
					continue
				}
				if words := strings.Join(verb(call.Name, call.Args), " "); !strings.Contains(out, words+" ") {
					t.Errorf("%q is not printed", words)
				}
			}
			if out := s.must("all", "down", "--dry-run"); !strings.Contains(out, "az identity delete ") {
				t.Errorf("clean-up would: %s", out)
			}
			if len(s.world.Calls()) > 0 {
				t.Error("the dry clean-up ran commands")
			}
		})
	}
}

// verb returns a command without its flags.
func verb(name string, args []string) []string {
	end := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") })
	if end < 0 {
		end = len(args)
	}
	return append([]string{name}, args[:end]...)
}

// Without this a flag that only the stand-in knows would fail on Azure, in the middle of a user's work. It needs the
// real azure-cli, 0.7 GB: make check-azure-cli.
func TestAzureCLI(t *testing.T) {
	t.Parallel()
	python := os.Getenv("AZURE_CLI_PYTHON")
	if python == "" {
		harness.LeaveOut(t, "make check-azure-cli")
	}
	lines := map[string]bool{}
	for _, way := range azureConfigurations {
		s := newShell(t, way.vault)
		maps.Copy(s.given, way.given)
		for id, attributes := range way.there {
			s.world.Add(id, attributes)
		}
		s.must("all", "round-trip")
		for _, call := range s.world.Calls() {
			if call.Name != "az" {
				continue
			}
			text, err := json.Marshal(call.Args)
			if err != nil {
				t.Fatal(err)
			}
			lines[string(text)] = true
		}
	}
	parse := exec.Command(python, "azurecli/parse.py")
	parse.Stdin = strings.NewReader(strings.Join(slices.Sorted(maps.Keys(lines)), "\n"))
	parse.Env = append(os.Environ(), "AZURE_CONFIG_DIR="+t.TempDir(), "AZURE_CORE_COLLECT_TELEMETRY=no")
	var said strings.Builder
	parse.Stderr = &said
	out, err := parse.Output()
	if err != nil {
		t.Errorf("%v: %s%s", err, out, said.String())
	}
	t.Logf("%s", out)
}

// Without this a mistake that bash tolerates could hit a user with other settings.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Shellcheck)
	scripts, err := filepath.Glob("../../deploy/azure/*.sh")
	if err != nil || len(scripts) < 26 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	scripts = append(scripts, "../../deploy/azure/all", "../../deploy/azure/measure")
	if out, err := exec.Command("shellcheck", append([]string{"--external-sources", "--source-path=SCRIPTDIR"}, scripts...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
