package azure_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/azure/standin"
	"kafka-e2ee/e2e/harness"
)

// Without this clean-up could delete a user's own resources, or an existing cluster, vault or registry could not be
// used.
func TestAzureKeepsExistingResources(t *testing.T) {
	t.Parallel()
	const hsm = "demohsm.managedhsm.azure.net"
	for name, c := range map[string]struct {
		vault string
		there map[string]map[string]string
		given map[string]string
		kept  []string // what Azure keeps
	}{
		"others beside": {"demovault.vault.azure.net", map[string]map[string]string{
			"group/other": nil, "cluster/other": {"group": "other"}, "registry/other": {"group": "other"}, "vault/other": {"group": "other", "sku": "premium", "rbac": "true"},
			"identity/other": {"group": "other"}, "attestation/other": {"group": "other"},
		}, nil, nil},
		"everything": {"demovault.vault.azure.net", map[string]map[string]string{
			"group/demo": nil, "cluster/mine": {"group": "demo"}, "cluster/mine/nodepool/system": nil, "registry/demoimages": {"group": "shared"}, "registry/demoimages/theirs:1": {"digest": "sha256:0"},
			"identity/pod-identity": {"group": "demo"}, "vault/demovault": {"group": "shared", "sku": "premium", "rbac": "true", "purge-protection": "true"},
			"k8s/mine/RuntimeClass/-/kata-cc-isolation": nil, "k8s/mine/Namespace/-/kafka": nil, "k8s/mine/Deployment/kafka/theirs": {"json": "{}"},
			"role/AcrPull/" + nodes + "/" + registryScope: nil,
		}, map[string]string{"CLUSTER_IS": "existing", "ATTESTATION_NAME": "", "ATTESTATION_HOST": harness.AttestationHost}, []string{"deleted-key/" + harness.KeyName}},
		"Strimzi, Managed HSM": {hsm, map[string]map[string]string{
			"group/demo": nil, "cluster/mine": {"group": "demo", "issuer": "true"}, "hsm/demohsm": nil,
			"k8s/mine/RuntimeClass/-/kata-cc-isolation": nil, "k8s/mine/CustomResourceDefinition/-/kafkas.kafka.strimzi.io": nil,
			"k8s/mine/CustomResourceDefinition/-/kafkatopics.kafka.strimzi.io": nil, "k8s/mine/CustomResourceDefinition/-/kafkanodepools.kafka.strimzi.io": nil,
		}, map[string]string{"CLUSTER_IS": "existing", "KUBERNETES_VERSION": "1.30"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, c.vault)
			maps.Copy(s.given, c.given)
			for id, attributes := range c.there {
				s.world.Add(id, attributes)
			}
			before := s.resources()
			s.must("all")
			s.decrypts()
			s.must("15-clean-up.sh")
			want := slices.Sorted(slices.Values(append(before, c.kept...)))
			if after := s.resources(); !slices.Equal(after, want) {
				t.Errorf("there is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Without this running a stage again would create duplicates or another key.
func TestAzureAgain(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.must("all")
	before := s.resources()
	record, err := os.ReadFile(filepath.Join(s.dir, "state", "demo", "made"))
	if err != nil {
		t.Fatal(err)
	}
	s.world.Calls()
	s.must("all")
	for _, call := range s.world.Calls() {
		if call.Name == "az" && !slices.ContainsFunc([]string{"show", "list", "exists", "version", "login", "get-credentials", "rest", "list-skus", "list-usage", "show-tags"}, func(verb string) bool {
			return slices.Contains(call.Args, verb)
		}) || slices.Contains(call.Args, "push") {
			t.Errorf("run again: %s", call)
		}
	}
	if after := s.resources(); !slices.Equal(after, before) {
		t.Errorf("there is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	if after, err := os.ReadFile(filepath.Join(s.dir, "state", "demo", "made")); err != nil || string(after) != string(record) {
		t.Errorf("the record has become\n%s\nfrom\n%s", after, record)
	}
	// The whole path in one command, from here and from nothing.
	for range 2 {
		if out := s.must("all", "round-trip"); !strings.Contains(out, "open https://demo-page.eastus.cloudapp.azure.com ") {
			t.Errorf("the address is not printed: %s", out)
		}
		if left := s.resources(); len(left) > 0 {
			t.Errorf("left over: %s", strings.Join(left, "\n"))
		}
	}
}

// Without this one failing command could leave a subscription that no script can finish or clean up.
func TestAzureBreaksAnywhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		when, keySteps string
		breaks         int // at least
	}{{"before", "one", 60}, {"after", "one", 25}, {"after", "two", 26}} {
		t.Run(c.when+", the key in steps: "+c.keySteps, func(t *testing.T) {
			t.Parallel()
			when := c.when
			var want []string
			s := newShell(t, "demovault.vault.azure.net")
			s.given["KEY_STEPS"] = c.keySteps
			breaks := 0
			for _, stage := range azureStages[:13] {
				breaks += s.finish(stage.script, when)
				want = append(want, stage.adds...)
			}
			if got := s.resources(); !matches(got, want) {
				t.Errorf("there is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			s.world.Break("")
			s.decrypts()
			breaks += s.finish("15-clean-up.sh", when)
			if left := s.resources(); len(left) > 0 {
				t.Errorf("left over: %s", strings.Join(left, "\n"))
			}
			if breaks < c.breaks {
				t.Errorf("only %d calls were broken", breaks)
			}
		})
	}
}

// finish runs a script until it succeeds, while each of its commands fails once, before or after its effect. It returns
// how many failed.
func (s *shell) finish(script, when string) (breaks int) {
	s.t.Helper()
	for range 100 {
		s.world.Break(when)
		out, err := s.run(script)
		broken := s.world.Broken
		if broken == "" {
			if err != nil {
				s.t.Fatalf("%s does not complete after the repair: %s", script, out)
			}
			return breaks
		}
		breaks++
		if err == nil || !strings.Contains(out, script+": ") || !strings.Contains(out, "hint: ") || !strings.Contains(out, "broken on purpose") {
			s.t.Errorf("%s: %s failed, and the script says: %v: %s", script, broken, err, out)
		}
		if n := s.world.ChangedAfter(); n > 0 {
			s.t.Errorf("%s: %d more changes after %s had failed", script, n, broken)
		}
	}
	s.t.Fatalf("%s does not end", script)
	return breaks
}

// Without this a mistake in the settings would show as a command's error, after half of the work and the costs.
func TestAzureSettings(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	optional := []string{"KUBERNETES_VERSION", "ATTESTATION_HOST", "ATTESTATION_NAME", "PRINCIPAL", "EVENT_HUBS", "PAGE_USER"}
	wrong := map[string]string{
		"SUBSCRIPTION": "mine", "LOCATION": "East US", "RESOURCE_GROUP": "a/b", "PLATFORM": "sgx", "VIRTUAL_NODES_VERSION": "latest", "KAFKA": "my-broker.internal", "KAFKA_TLS": "SSL", "KAFKA_ADDRESS": "10.1", "EVENT_HUBS": "a.servicebus.windows.net", "PAGE_USER": "alice:password", "CLUSTER_IS": "old", "CLUSTER": "-", "NODE_POOL": "Pool", "NODE_SIZE": "8 cores", "NODE_COUNT": "0",
		"KUBERNETES_VERSION": "1.24", "REGISTRY": "demo.azurecr.io", "IMAGE_TAG": "a b", "IDENTITY": "$(id)", "ATTESTATION_HOST": "https://" + harness.AttestationHost, "ATTESTATION_NAME": "A", "VAULT_HOST": "https://demovault.vault.azure.net",
		"KEY_NAME": "../key", "KEY_STEPS": "three", "PAGE_NAME": "The page", "PRINCIPAL": "me", "SOURCE_RANGE": "everybody", "VIEWER_NAMESPACE": "kube system", "STRICT": "true", "WAIT_MINUTES": "0",
	}
	text := func(given map[string]string) string {
		var b strings.Builder
		for name, value := range given {
			fmt.Fprintf(&b, "%s=%s\n", name, value)
		}
		return b.String()
	}
	expect := func(script, settings string, says ...string) {
		t.Helper()
		out, err := s.runWith(settings, script)
		if err == nil {
			t.Errorf("%s runs: %s", script, out)
		}
		for _, want := range append(says, script+": ", "hint: ") {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in: %s", script, want, out)
			}
		}
		for _, value := range wrong {
			if len(value) > 8 && strings.Contains(out, value) {
				t.Errorf("%s: the value %q is printed", script, value)
			}
		}
	}
	var missing, empty, bad []string
	blank := map[string]string{}
	for name := range s.given {
		one := maps.Clone(s.given)
		delete(one, name)
		missing = append(missing, name+" is missing")
		expect("01-check.sh", text(one), name+" is missing")
		one[name] = wrong[name]
		bad = append(bad, name+" is wrong")
		expect("01-check.sh", text(one), name+" is wrong")
		blank[name] = ""
		if !slices.Contains(optional, name) {
			one[name] = ""
			empty = append(empty, name+" is empty")
			expect("01-check.sh", text(one), name+" is empty")
		}
	}
	scripts, err := filepath.Glob("../../deploy/azure/[0-9]*.sh")
	if err != nil || len(scripts) != 15 {
		t.Fatalf("%d stages, %v", len(scripts), err)
	}
	for _, script := range scripts {
		script = filepath.Base(script)
		expect(script, "", append(missing, "both empty")...)
		expect(script, text(blank), append(empty, "both empty")...)
		expect(script, text(wrong), append(bad, "both set")...)
	}
	good := text(s.given)
	expect("01-check.sh", good+"KEYNAME=x\n", "KEYNAME is not a setting")
	expect("01-check.sh", good+"KEY_NAME=x\n", "KEY_NAME is set twice")
	expect("01-check.sh", strings.Replace(good, "KEY_NAME=", "KEY_NAME='", 1), "KEY_NAME begins with a quotation mark")
	expect("01-check.sh", good+"export A=1\n", "not NAME=value")
	expect("01-check.sh", good+"rm -rf /\n", "not NAME=value")
	if calls := s.world.Calls(); len(calls) > 0 {
		t.Errorf("%d commands were run, such as %s", len(calls), calls[0])
	}
	example, err := os.ReadFile("../../deploy/azure/env.example")
	if err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("EVENT_HUBS=\n", "EVENT_HUBS=demo-events\n", "PAGE_USER=\n", "PAGE_USER="+pageUser+"\n", "SUBSCRIPTION=\n", "SUBSCRIPTION="+standin.Subscription+"\n", "REGISTRY=\n", "REGISTRY=images\n",
		"VAULT_HOST=\n", "VAULT_HOST=demovault.vault.azure.net\n", "PAGE_NAME=\n", "PAGE_NAME=demo-page\n").Replace(string(example))
	if out, err := s.runWith(filled, "01-check.sh"); err != nil {
		t.Errorf("env.example, filled in: %s", out)
	}
}

// Without this a user would learn hours later, from one of Azure's errors, what was missing from the start.
func TestAzureCheck(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	restore := s.world.Checkpoint()
	for name, c := range map[string]struct {
		change func(*standin.World)
		says   []string
	}{
		"everything": {func(w *standin.World) {
			w.Versions = map[string]string{"azure-cli": "2.44.1", "confcom": "0.3.2"}
			w.Feature, w.Region, w.Providers = "NotRegistered", "westeurope", nil
		}, []string{
			"azure-cli is 2.44.1, want 2.55.0", "az upgrade", "az extension add --name aks-preview", "az extension update --name confcom", "az extension add --name attestation",
			"KataCcIsolationPreview is NotRegistered: this preview was ended", "az provider register --namespace Microsoft.KeyVault", "eastus has no Standard_DC8as_cc_v5",
		}},
		"quota":        {func(w *standin.World) { w.Cores = 7 }, []string{"7 cores left, want 8", "portal, Quotas"}},
		"signed out":   {func(w *standin.World) { w.Account = "" }, []string{"az login"}},
		"another":      {func(w *standin.World) { w.Account = "other" }, []string{"az account set --subscription " + standin.Subscription}},
		"old kubectl":  {func(w *standin.World) { w.Refusals["kubectl version"] = "unknown flag: --output" }, []string{"kubectl's version failed"}},
		"no machine":   {func(w *standin.World) { w.Region = "northeurope" }, []string{"NotAvailableForSubscription", "set another LOCATION"}},
		"no extension": {func(w *standin.World) { delete(w.Versions, "attestation") }, []string{"az extension add --name attestation"}},
	} {
		t.Run(name, func(t *testing.T) {
			restore()
			c.change(s.world)
			out, err := s.run("01-check.sh")
			if err == nil {
				t.Errorf("it succeeds: %s", out)
			}
			for _, want := range append(c.says, "hint: ") {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in: %s", want, out)
				}
			}
			if left := s.resources(); len(left) > 0 {
				t.Errorf("it made %s", left)
			}
		})
	}
}
