package azure_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without this the most frequent failures would be reported in Azure's words, with no advice.
func TestAzureExplains(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	points := []func(){s.checkpoint()}
	for _, stage := range azureStages[:12] {
		s.must(stage.script)
		points = append(points, s.checkpoint())
	}
	for name, c := range map[string]struct {
		upTo   int // stages that succeed
		change func(s *shell)
		script string
		says   []string
	}{
		"not signed in": {0, func(s *shell) {
			s.world.Refusals["az account show"] = "ERROR: Please run 'az login' to setup account."
		}, "01-check.sh", []string{"sign in with az login", "az account set --subscription"}},
		"no network": {0, func(s *shell) {
			s.world.Refusals["az provider show"] = "ERROR: <urllib3.connection.HTTPSConnection object at 0x7f>: Failed to resolve 'management.azure.com' ([Errno -3] Temporary failure in name resolution)"
		}, "01-check.sh", []string{"check the network", "HTTPS_PROXY", "run deploy/azure/01-check.sh again"}},
		"group elsewhere": {1, func(s *shell) {
			s.world.Refusals["az group create"] = "(InvalidResourceGroupLocation) Invalid resource group location 'eastus'. The Resource group already exists in location 'westeurope'."
		}, "02-cluster.sh", []string{"exists in another region: set LOCATION"}},
		"forbidden by policy": {1, func(s *shell) {
			s.world.Refusals["az group create"] = "(RequestDisallowedByPolicy) Resource 'demo' was disallowed by policy."
		}, "02-cluster.sh", []string{"a policy of your organisation", "who administers the subscription"}},
		"none free": {1, func(s *shell) {
			s.world.Refusals["az aks create"] = "(AllocationFailed) Allocation failed. We do not have sufficient capacity for the requested VM size in this region."
		}, "02-cluster.sh", []string{"none free in", "try again later, or set another LOCATION"}},
		"quota": {1, func(s *shell) { s.world.Refusals["az aks create"] = "(QuotaExceeded) Insufficient vcpu quota" }, "02-cluster.sh", []string{"portal, Quotas", "LOCATION"}},
		"machine type": {1, func(s *shell) {
			s.world.Refusals["az aks create"] = "(BadRequest) The VM size of Standard_DC8as_cc_v5 is not allowed in your subscription in location 'eastus'."
		}, "02-cluster.sh", []string{"does not have the machine type", "az vm list-skus"}},
		"ended preview":    {1, func(s *shell) { s.world.Ended = true }, "02-cluster.sh", []string{"Azure's validation refuses nodes with the runtime KataCcIsolation", "ended in March 2026", "nothing is billed", "deploy/azure/all down"}},
		"no runtime":       {1, func(s *shell) { s.world.RuntimeGap = true }, "02-cluster.sh", []string{"no runtime class kata-cc-isolation", "deploy/azure/all down", "another PLATFORM"}},
		"a failed cluster": {2, func(s *shell) { s.world.Add("cluster/mine", map[string]string{"state": "Failed"}) }, "02-cluster.sh", []string{"did not finish making the cluster mine: its state is Failed", "deploy/azure/all down"}},
		"a slow node pool": {2, func(s *shell) {
			s.world.Add("cluster/mine/nodepool/katacc", map[string]string{"state": "Updating"})
		}, "02-cluster.sh", []string{"the node pool katacc is not ready after 1 minutes: its state is Updating", "continues where it stopped"}},
		"a cluster is there": {1, func(s *shell) {
			s.world.Add("group/demo", nil)
			s.world.Add("cluster/mine", map[string]string{"group": "demo"})
		}, "02-cluster.sh", []string{"not made by these scripts", "CLUSTER_IS=existing"}},
		"no cluster there": {1, func(s *shell) { s.given["CLUSTER_IS"] = "existing" }, "02-cluster.sh", []string{"there is no cluster mine", "CLUSTER_IS=new"}},
		"name of another": {2, func(s *shell) {
			s.world.Refusals["az acr create"] = "(AlreadyInUse) The registry DNS name demoimages.azurecr.io is already in use."
		}, "03-registry.sh", []string{"the name is taken"}},
		"may not give roles": {2, func(s *shell) {
			s.world.Refusals["az role assignment create"] = "(AuthorizationFailed) The client does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write'"
		}, "03-registry.sh", []string{"Owner or User Access Administrator", "24 hours"}},
		"expired": {3, func(s *shell) { s.world.Refusals["az identity"] = "AADSTS700082: The refresh token has expired" }, "04-identity.sh", []string{"az login"}},
		"mistyped host": {4, func(s *shell) {
			s.given["ATTESTATION_HOST"], s.given["ATTESTATION_NAME"] = "attestatoin.lab.example", ""
		}, "05-attestation.sh", []string{"attestatoin.lab.example/certs", "host names"}},
		"deleted vault": {5, func(s *shell) { s.world.Add("deleted-vault/demovault", nil) }, "06-vault.sh", []string{"az keyvault purge"}},
		"poor vault":    {5, func(s *shell) { s.world.Add("vault/demovault", map[string]string{"sku": "standard", "rbac": "true"}) }, "06-vault.sh", []string{"tier standard", "--sku premium"}},
		"policy vault":  {5, func(s *shell) { s.world.Add("vault/demovault", map[string]string{"sku": "premium"}) }, "06-vault.sh", []string{"access policies"}},
		"slow role":     {5, func(s *shell) { s.world.RoleDelay = 99 }, "06-vault.sh", []string{"for 1 minutes", "24 hours", "run deploy/azure/06-vault.sh again"}},
		"no HSM":        {5, func(s *shell) { s.given["VAULT_HOST"] = "demohsm.managedhsm.azure.net" }, "06-vault.sh", []string{"Managed HSM failed"}},
		"Kafka's error": {6, func(s *shell) {
			s.world.Refusals["kubectl -n kafka wait"] = "timed out waiting for the condition on kafkas/my-cluster"
		}, "07-kafka.sh", []string{"waiting for Kafka", "continues where it stopped"}},
		"no order":      {2, func(*shell) {}, "08-measure.sh", []string{"run deploy/azure/03-registry.sh first"}},
		"key too early": {7, func(*shell) {}, "09-key.sh", []string{"run deploy/azure/08-measure.sh first"}},
		"edited": {8, func(s *shell) {
			s.edit("consumer.yaml", "memory: 1Gi", "memory: 2Gi")
		}, "09-key.sh", []string{"not the file that was measured", "08-measure.sh"}},
		"edited late": {11, func(s *shell) { s.edit("consumer.yaml", "memory: 1Gi", "memory: 2Gi") }, "12-deploy.sh", []string{"not the file that was measured"}},
		"other settings": {9, func(s *shell) {
			s.given["SOURCE_RANGE"] = "198.51.100.0/24"
			s.given["IMAGE_TAG"] = "2"
			s.must("03-registry.sh")
		}, "08-measure.sh", []string{"is for the previous one", "another KEY_NAME"}},
		"other key":      {9, func(s *shell) { s.keep("measurement", strings.Repeat("0", 64)) }, "10-verify.sh", []string{"not for the measured consumer only"}},
		"key is gone":    {8, func(s *shell) { s.given["KEY_NAME"] = "other" }, "10-verify.sh", []string{"KeyNotFound"}},
		"no public key":  {8, func(*shell) {}, "11-producer.sh", []string{"run deploy/azure/09-key.sh first"}},
		"theirs":         {11, func(s *shell) { s.world.Add("k8s/mine/Deployment/kafka/kafka-golang-consumer", nil) }, "12-deploy.sh", []string{"not deployed by these scripts: deployment/kafka-golang-consumer"}},
		"their account":  {11, func(s *shell) { s.world.Add("k8s/mine/ServiceAccount/kafka/workload-identity-sa", nil) }, "12-deploy.sh", []string{"not deployed by these scripts: serviceaccount/workload-identity-sa"}},
		"no address":     {12, func(s *shell) { s.world.Refusals["kubectl -n kafka get service"] = "Unable to connect to the server" }, "13-address.sh", []string{"the page's address", "Unable to connect"}},
		"experiment":     {9, func(*shell) {}, "14-ordinary.sh", []string{"12-deploy.sh first"}},
		"others' things": {6, func(s *shell) { s.world.Add("vault/theirs", map[string]string{"group": "demo"}) }, "15-clean-up.sh", []string{"not made by these scripts: theirs", "az group delete"}},
		"two arguments":  {0, func(*shell) {}, "01-check.sh --dry-run x", []string{"the arguments are unknown", "--dry-run"}},
	} {
		t.Run(name, func(t *testing.T) {
			points[c.upTo]()
			c.change(s)
			words := strings.Fields(c.script)
			out, err := s.run(words[0], words[1:]...)
			if err == nil {
				t.Errorf("it succeeds: %s", out)
			}
			for _, want := range append(c.says, "hint: ", words[0]+": ") {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in: %s", want, out)
				}
			}
		})
	}
}

// checkpoint returns a function that restores the subscription, the settings and the stages' files.
func (s *shell) checkpoint() (restore func()) {
	s.t.Helper()
	world, given, files, saved := s.world.Checkpoint(), maps.Clone(s.given), filepath.Join(s.dir, "state"), s.t.TempDir()
	if err := os.MkdirAll(files, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.CopyFS(saved, os.DirFS(files)); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		world()
		s.given = maps.Clone(given)
		if err := os.RemoveAll(files); err != nil {
			s.t.Fatal(err)
		}
		if err := os.CopyFS(files, os.DirFS(saved)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// edit changes a file of the stages that must not be changed.
func (s *shell) edit(name, from, to string) {
	s.t.Helper()
	text := s.kept(name)
	if !strings.Contains(text, from) {
		s.t.Fatalf("%s: %s", name, text)
	}
	s.keep(name, strings.Replace(text, from, to, 1))
}

// kept returns a file of the stages.
func (s *shell) kept(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "state", "demo", name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *shell) keep(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, "state", "demo", name)
	if err := os.Remove(file); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Without this a changed consumer could work again only after deleting everything.
func TestAzureChangedConsumer(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.must("all")
	s.given["IMAGE_TAG"], s.given["KEY_NAME"] = "2", "second"
	s.must("all")
	s.decrypts()
	s.must("all", "down")
	if left := s.resources(); len(left) > 0 {
		t.Errorf("left over: %s", strings.Join(left, "\n"))
	}
}
