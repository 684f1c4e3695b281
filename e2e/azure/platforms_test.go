package azure_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/azure/standin"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/producer"
)

// onPlatform returns a shell with a platform's settings.
func onPlatform(t *testing.T, name string) *shell {
	t.Helper()
	s := newShell(t, "demovault.vault.azure.net")
	maps.Copy(s.given, platforms[name])
	return s
}

// groupEnv returns the environment of a container group's first container, as it was deployed.
func (s *shell) groupEnv(name string) map[string]string {
	s.t.Helper()
	text, _, err := s.world.Group(name)
	if err != nil {
		s.t.Fatal(err)
	}
	var t struct {
		Resources []struct {
			Properties struct {
				Containers []struct {
					Properties struct {
						EnvironmentVariables []struct{ Name, Value string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		s.t.Fatal(err)
	}
	env := map[string]string{}
	for _, v := range t.Resources[0].Properties.Containers[0].Properties.EnvironmentVariables {
		env[v.Name] = v.Value
	}
	return env
}

const (
	subscription = "!subscriptions!" + standin.Subscription
	hubScope     = subscription + "!event-hubs!demo-events!" + harness.Topic
	nodeGroup    = subscription + "!group!MC_mine"
)

var (
	eventHubs = []string{
		"event-hubs/demo-events", "event-hubs/demo-events/" + harness.Topic,
		"role/Azure Event Hubs Data Receiver/principal-of-pod-identity/" + hubScope, "role/Azure Event Hubs Data Sender/principal-of-pod-identity-producer/" + hubScope,
	}
	groups = []string{
		"container-group/kafka-golang-consumer", "container-group/kafka-producer", "identity/pod-identity-producer",
		"role/AcrPull/principal-of-pod-identity/" + registryScope, "role/AcrPull/principal-of-pod-identity-producer/" + registryScope,
	}
	virtualNodes = []string{
		"cluster/mine", "cluster/mine/nodepool/katacc", "identity/pod-identity/kafka-e2ee-mine", "role/AcrPull/" + nodes + "/" + registryScope,
		"network/mine-network", "network/mine-network/aks", "network/mine-network/cg", "network/mine-network/default", "nat-gateway/mine-network-gateway", "public-ip/mine-network-address",
		"role/Contributor/" + nodes + "/" + nodeGroup, "role/Network Contributor/" + nodes + "/" + subscription + "!network!mine-network!cg", "k8s/mine/*",
	}
	everywhere = []string{
		"group/demo", "registry/demoimages", "registry/demoimages/kafka-e2ee!consumer:1", "registry/demoimages/kafka-e2ee!producer:1", "identity/pod-identity", "attestation/attest", "vault/demovault",
		"vault/demovault/" + harness.KeyName, "role/Key Vault Crypto Officer/" + standin.Person + "/" + vaultScope, "role/Key Vault Crypto User/" + standin.Person + "/" + vaultScope,
		"role/Key Vault Crypto Service Release User/" + cloud.PodID + "/" + vaultScope + "!keys!" + harness.KeyName,
	}
	// platformAdds are what the stages make on each platform.
	platformAdds = map[string][]string{
		"confidential-aci":            virtualNodes,
		"confidential-aci-event-hubs": slices.Concat(virtualNodes, eventHubs, []string{"identity/pod-identity-producer", "identity/pod-identity-producer/kafka-e2ee-mine"}),
		"container-group":             slices.Concat(groups, eventHubs),
		"container-group-own-kafka":   groups,
	}
)

// Without this a platform could end at a page without plaintext, or leave something that is billed.
func TestAzurePlatforms(t *testing.T) {
	for name, adds := range platformAdds {
		t.Run(name, func(t *testing.T) {
			s := onPlatform(t, name)
			url := "https://demo-page.eastus.cloudapp.azure.com"
			if s.given["PLATFORM"] == "container-group" {
				url = "https://demo-page.eastus.azurecontainer.io:3443"
			}
			out := s.must("all")
			if !strings.Contains(out, "open "+url+" ") {
				t.Errorf("the address is not printed: %s", out)
			}
			s.printsVerify(out, url)
			s.decrypts()
			got := s.resources()
			if s.given["PLATFORM"] == "confidential-aci" {
				got = foldCluster(got)
			}
			if want := slices.Concat(everywhere, adds); !matches(got, want) {
				t.Errorf("there is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(slices.Sorted(slices.Values(want)), "\n"))
			}
			if !s.confidential() {
				t.Error("the consumer has no sidecar, isolation or policy")
			}
			// Again, nothing changes.
			before := s.resources()
			s.world.Calls()
			s.must("all")
			for _, call := range s.world.Calls() {
				if slices.ContainsFunc(call.Args, func(word string) bool {
					return slices.Contains([]string{"create", "delete", "push", "PUT", "POST", "PATCH"}, word)
				}) {
					t.Errorf("run again: %s", call)
				}
			}
			if after := s.resources(); !slices.Equal(after, before) {
				t.Errorf("run again, there is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
			// The experiment, and back.
			s.must("14-ordinary.sh")
			if s.confidential() {
				t.Error("the ordinary consumer has the sidecar, the isolation or the policy")
			}
			s.must("12-deploy.sh")
			if !s.confidential() {
				t.Error("the experiment is not reverted")
			}
			s.decrypts()
			s.must("all", "down")
			if left := s.resources(); len(left) > 0 {
				t.Errorf("left over: %s", strings.Join(left, "\n"))
			}
		})
	}
}

// foldCluster replaces the objects of the cluster by one name. The stages of kata-cc make the same.
func foldCluster(resources []string) []string {
	others := slices.DeleteFunc(slices.Clone(resources), func(id string) bool { return strings.HasPrefix(id, "k8s/") })
	if len(others) < len(resources) {
		return append(others, "k8s/mine/objects")
	}
	return others
}

// Without this the programs could end at start, once everything has been deployed, or could trust or show more than on
// the other platforms.
func TestAzureContainerGroupStarts(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"container-group": {
			"KAFKA_PRESET": "event-hubs", "KAFKA_AZURE_IDENTITY": "managed", "BROKERS": "demo-events.servicebus.windows.net:9093", "WEB_ADDR": "none", "WEB_ATTESTED_ADDR": ":3443",
			"WEB_HOSTS": "demo-page.eastus.azurecontainer.io", "WEB_USERS": pageUser, "TOPIC": harness.Topic, "SkrClientKID": harness.KeyName, "SkrClientMAAEndpoint": harness.AttestationHost, "SkrClientAKVEndpoint": "demovault.vault.azure.net",
		},
		"container-group-own-kafka": {
			"BROKERS": "kafka.example.com:9093,kafka2.example.com:9093", "KAFKA_SECURITY_PROTOCOL": "SSL", "WEB_ADDR": "none", "WEB_USERS": pageUser,
			"REQUIRE_FORMAT": "envelope", "REQUIRE_SENDER": "verified", "ALLOWED_READERS": "held", "REQUIRE_FRESH": "true",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := onPlatform(t, name)
			s.must("all")
			env := s.groupEnv("kafka-golang-consumer")
			for variable, value := range want {
				if got, set := env[variable]; got != value || !set {
					t.Errorf("%s is %q, want %q", variable, got, value)
				}
			}
			if s.given["STRICT"] == "yes" && env["EXPECTED_KEY_IDS"] != s.keyID() {
				t.Errorf("EXPECTED_KEY_IDS is %q", env["EXPECTED_KEY_IDS"])
			}
			if _, err := consumer.Load(func(name string) (string, bool) { value, set := env[name]; return value, set }); err != nil {
				t.Errorf("the deployed consumer would not start: %v", err)
			}
			env = s.groupEnv("kafka-producer")
			if file := env["SIGNING_KEY_FILE"]; file != "" {
				env["SIGNING_KEY_FILE"] = s.dir + "/state/demo/signing.pem" // where the volume's content comes from
			}
			if _, err := producer.Load(func(name string) (string, bool) { value, set := env[name]; return value, set }); err != nil {
				t.Errorf("the deployed producer would not start: %v", err)
			}
			text, _, err := s.world.Group("kafka-producer")
			if err != nil || strings.Contains(text, "PRIVATE") || strings.Contains(text, "SkrClient") {
				t.Errorf("the producer's template holds a private key, or asks for one: %v", err)
			}
		})
	}
}

// Without this one failing command could leave a platform that no script can finish or clean up.
func TestAzurePlatformsBreak(t *testing.T) {
	for name, least := range map[string]int{"confidential-aci": 28, "container-group": 22} {
		t.Run(name, func(t *testing.T) {
			s := onPlatform(t, name)
			breaks := 0
			for _, stage := range azureStages[:13] {
				breaks += s.finish(stage.script, "after")
			}
			s.world.Break("")
			s.decrypts()
			breaks += s.finish("15-clean-up.sh", "after")
			if left := s.resources(); len(left) > 0 || breaks < least {
				t.Errorf("%d calls were broken; left over: %s", breaks, strings.Join(left, "\n"))
			}
		})
	}
}

// Without this a group that has stopped would be reported as the one that runs, a user would wait for a failed one
// without learning why, and a producer would go on signing with a key that its consumer no longer trusts.
func TestAzureContainerGroupStops(t *testing.T) {
	s := onPlatform(t, "container-group-own-kafka")
	for _, stage := range azureStages[:11] {
		s.must(stage.script)
	}
	refuses := func(name, state string) {
		t.Helper()
		out, err := s.run("12-deploy.sh")
		for _, want := range []string{"the container group " + name + " does not run: its state is " + state + ": the last event of " + name, "hint: remove the cause"} {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%q is missing: %v: %s", want, err, out)
			}
		}
	}
	// deploys runs the stage, and returns the groups that it deployed.
	deploys := func() (names []string) {
		t.Helper()
		s.world.Calls()
		s.must("12-deploy.sh")
		for _, call := range s.world.Calls() {
			if strings.HasPrefix(call.String(), "az deployment group create") {
				names = append(names, call.Args[slices.Index(call.Args, "--name")+1])
			}
		}
		return names
	}
	s.world.GroupState = "Failed"
	refuses("kafka-golang-consumer", "Failed")
	s.world.GroupState = ""
	if got := deploys(); len(got) != 2 {
		t.Errorf("after the repair it deployed %s", got)
	}
	if got := deploys(); len(got) > 0 {
		t.Errorf("once more, it deployed %s", got)
	}
	s.world.Add("container-group/kafka-producer", map[string]string{"state": "Stopped"})
	refuses("kafka-producer", "Stopped")
	if got := deploys(); !slices.Equal(got, []string{"kafka-producer"}) {
		t.Errorf("after it had stopped, it deployed %s", got)
	}
	signing, _ := harness.NewSender(t, "another")
	text, err := os.ReadFile(signing)
	if err != nil {
		t.Fatal(err)
	}
	s.keep("signing.pem", string(text))
	if got := deploys(); !slices.Equal(got, []string{"kafka-producer"}) {
		t.Errorf("with another signing key, it deployed %s", got)
	}
}

// Without this a user would pay for a cluster or a registry in a region that cannot run the consumer.
func TestAzureNotOffered(t *testing.T) {
	for _, name := range []string{"confidential-aci", "container-group"} {
		t.Run(name, func(t *testing.T) {
			s := onPlatform(t, name)
			s.given["LOCATION"] = "polandcentral"
			out, err := s.run("02-cluster.sh")
			for _, want := range []string{"Azure's validation refuses a confidential container group in polandcentral", "not available in the location", "hint: set another LOCATION or PLATFORM", "nothing is billed", "deploy/azure/all down"} {
				if err == nil || !strings.Contains(out, want) {
					t.Errorf("%q is missing: %v: %s", want, err, out)
				}
			}
			if made := s.resources(); !slices.Equal(made, []string{"group/demo"}) {
				t.Errorf("it made %s", made)
			}
			s.must("all", "down")
			if left := s.resources(); len(left) > 0 {
				t.Errorf("left over: %s", left)
			}
		})
	}
}

// Without this an expired sign-in would send the user to another region, and an answer of Azure that says nothing about
// the region would be taken as one.
func TestAzureOfferedIsUnknown(t *testing.T) {
	const validate = "az deployment group validate"
	s := onPlatform(t, "container-group")
	for said, hint := range map[string]string{
		"AADSTS700082: The refresh token has expired": "hint: sign in with az login",
		"(InvalidTemplateDeployment) The template deployment failed: (AuthorizationFailed) The client has no authorization to perform action 'Microsoft.ContainerInstance/containerGroups/write'": "hint: a role is missing",
		"(AuthorizationFailed) The client does not have authorization to perform action 'Microsoft.Resources/deployments/validate/action'":                                                        "hint: a role is missing",
		"HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded":                                                                                                        "hint: check the network",
		"": "hint: remove the cause",
	} {
		s.world.Refusals[validate] = said
		out, err := s.run("02-cluster.sh")
		for _, want := range []string{"02-cluster.sh: having Azure validate a confidential container group in eastus failed: ", said, hint} {
			if err == nil || !strings.Contains(out, want) || strings.Contains(out, "LOCATION") {
				t.Errorf("%q: %q is missing, or another region is advised: %v: %s", said, want, err, out)
			}
		}
	}
	delete(s.world.Refusals, validate)
	const unlisted = "is not in the documented list of regions"
	if out := s.must("02-cluster.sh"); !strings.Contains(out, "Azure's validation has no objection to a confidential container group in eastus") || strings.Contains(out, unlisted) {
		t.Error(out)
	}
	s.given["LOCATION"], s.world.Region = "polandcentral", "polandcentral"
	if out := s.must("02-cluster.sh"); !strings.Contains(out, "polandcentral "+unlisted) {
		t.Error(out)
	}
	page, err := os.ReadFile("../../docs/platforms.md")
	if err != nil {
		t.Fatal(err)
	}
	_, documented, _ := strings.Cut(string(page), "with virtual nodes: ")
	documented, _, _ = strings.Cut(documented, ".")
	script, err := os.ReadFile("../../deploy/azure/offered.sh")
	if want := "regions=(" + strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(documented, " ", ""), ",", " ")) + ")"; err != nil || !strings.Contains(string(script), want) {
		t.Errorf("offered.sh does not have %s: %v", want, err)
	}
}

// Without this a setting that a platform cannot keep would be taken, and the user would rely on it.
func TestAzurePlatformSettings(t *testing.T) {
	for name, c := range map[string]struct {
		platform string
		given    map[string]string
		says     string
	}{
		"a range":           {"container-group", map[string]string{"SOURCE_RANGE": "203.0.113.7/32"}, "SOURCE_RANGE cannot be kept"},
		"no user":           {"container-group", map[string]string{"PAGE_USER": ""}, "PAGE_USER is empty, and anyone may reach the page"},
		"a namespace":       {"container-group", map[string]string{"VIEWER_NAMESPACE": "gateway"}, "VIEWER_NAMESPACE cannot be kept"},
		"no policy":         {"confidential-aci", map[string]string{"VIEWER_NAMESPACE": "gateway"}, "VIEWER_NAMESPACE cannot be kept"},
		"no user for pods":  {"confidential-aci", map[string]string{"PAGE_USER": ""}, "PAGE_USER is empty, and every pod of the cluster reaches"},
		"Kafka in nothing":  {"container-group", map[string]string{"KAFKA": "strimzi"}, "KAFKA does not fit PLATFORM: container-group has"},
		"Kafka elsewhere":   {"confidential-aci", map[string]string{"KAFKA": "kafka.example.com:9093"}, "KAFKA does not fit PLATFORM: confidential-aci has"},
		"no namespace":      {"confidential-aci", map[string]string{"KAFKA": "event-hubs"}, "EVENT_HUBS is empty"},
		"the ended preview": {"confidential-aci", map[string]string{"PLATFORM": "kata-cc", "KAFKA": "event-hubs", "EVENT_HUBS": "demo-events"}, "KAFKA does not fit PLATFORM: kata-cc has"},
	} {
		t.Run(name, func(t *testing.T) {
			s := onPlatform(t, c.platform)
			maps.Copy(s.given, c.given)
			if out, err := s.run("01-check.sh"); err == nil || !strings.Contains(out, c.says) || len(s.world.Calls()) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// Without this the scripts could replace a user's own container group, deploy another one than the measured, or use a
// cluster that cannot run the consumer.
func TestAzurePlatformsRefuse(t *testing.T) {
	t.Run("their container group", func(t *testing.T) {
		s := onPlatform(t, "container-group")
		for _, stage := range azureStages[:11] {
			s.must(stage.script)
		}
		s.world.Add("container-group/kafka-producer", map[string]string{"group": "demo"})
		if out, err := s.run("12-deploy.sh"); err == nil || !strings.Contains(out, "not deployed by these scripts") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("their Event Hubs", func(t *testing.T) {
		s := onPlatform(t, "container-group")
		for _, stage := range azureStages[:6] {
			s.must(stage.script)
		}
		s.world.Add("event-hubs/demo-events", map[string]string{"group": "demo"})
		if out, err := s.run("07-kafka.sh"); err == nil || !strings.Contains(out, "demo-events accepts connection strings") || slices.Contains(s.resources(), eventHubs[1]) {
			t.Errorf("%v: %s", err, out)
		}
		s.world.Add("event-hubs/demo-events", map[string]string{"local-auth-disabled": "true"})
		s.must("07-kafka.sh")
	})
	t.Run("an edited template", func(t *testing.T) {
		s := onPlatform(t, "container-group")
		for _, stage := range azureStages[:11] {
			s.must(stage.script)
		}
		s.edit("consumer.json", `"memoryInGB": 1`, `"memoryInGB": 2`)
		if out, err := s.run("12-deploy.sh"); err == nil || !strings.Contains(out, "not the file that was measured") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("a cluster without virtual nodes", func(t *testing.T) {
		s := onPlatform(t, "confidential-aci")
		s.given["CLUSTER_IS"] = "existing"
		s.world.Add("group/demo", nil)
		s.world.Add("cluster/mine", map[string]string{"group": "demo", "issuer": "true"})
		if out, err := s.run("02-cluster.sh"); err == nil || !strings.Contains(out, "no virtual nodes") || !strings.Contains(out, "CLUSTER_IS=new") {
			t.Errorf("%v: %s", err, out)
		}
	})
}
