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
	t.Parallel()
	for name, adds := range platformAdds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
	t.Parallel()
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
			t.Parallel()
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
	t.Parallel()
	for name, least := range map[string]int{"confidential-aci": 28, "container-group": 22} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
	t.Parallel()
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
