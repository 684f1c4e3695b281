package azure_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kafka-e2ee/e2e/azure/standin"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/skrtest"
)

// Roles and images are written with ! for /.
const (
	vaultScope    = "!subscriptions!" + standin.Subscription + "!vault!demovault"
	registryScope = "!subscriptions!" + standin.Subscription + "!registry!demoimages"
	nodes         = "99999999-0000-0000-0000-000000000002"
)

// azureStages are the scripts, and what each adds to an empty subscription.
var azureStages = []struct {
	script string
	adds   []string
}{
	{"01-check.sh", nil},
	{"02-cluster.sh", []string{"cluster/mine", "cluster/mine/nodepool/katacc", "group/demo", "k8s/mine/RuntimeClass/-/kata-cc-isolation"}},
	{"03-registry.sh", []string{"registry/demoimages", "registry/demoimages/kafka-e2ee!consumer:1", "registry/demoimages/kafka-e2ee!producer:1", "role/AcrPull/" + nodes + "/" + registryScope}},
	{"04-identity.sh", []string{"identity/pod-identity", "identity/pod-identity/kafka-e2ee-mine"}},
	{"05-attestation.sh", []string{"attestation/attest"}},
	{"06-vault.sh", []string{"role/Key Vault Crypto Officer/" + standin.Person + "/" + vaultScope, "role/Key Vault Crypto User/" + standin.Person + "/" + vaultScope, "vault/demovault"}},
	{"07-kafka.sh", []string{
		"k8s/mine/ClusterRoleBinding/-/strimzi-cluster-operator",
		"k8s/mine/CustomResourceDefinition/-/kafkanodepools.kafka.strimzi.io", "k8s/mine/CustomResourceDefinition/-/kafkas.kafka.strimzi.io", "k8s/mine/CustomResourceDefinition/-/kafkatopics.kafka.strimzi.io",
		"k8s/mine/CustomResourceDefinition/-/kafkausers.kafka.strimzi.io", "k8s/mine/CustomResourceDefinition/-/strimzipodsets.core.strimzi.io", "k8s/mine/StrimziPodSet/kafka/my-cluster-dual-role",
		"k8s/mine/ConfigMap/kafka/kube-root-ca.crt", "k8s/mine/ServiceAccount/kafka/default", "k8s/mine/Secret/kafka/my-cluster-cluster-ca-cert",
		"k8s/mine/Deployment/kafka/strimzi-cluster-operator", "k8s/mine/Kafka/kafka/my-cluster", "k8s/mine/KafkaNodePool/kafka/dual-role", "k8s/mine/KafkaTopic/kafka/kafka-demo-topic",
		"k8s/mine/Namespace/-/kafka", "k8s/mine/PersistentVolumeClaim/kafka/data-0", "k8s/mine/ServiceAccount/kafka/strimzi-cluster-operator",
	}},
	{"08-measure.sh", nil},
	{"09-key.sh", []string{"role/Key Vault Crypto Service Release User/" + cloud.PodID + "/" + vaultScope + "!keys!" + harness.KeyName, "vault/demovault/" + harness.KeyName}},
	{"10-verify.sh", nil},
	{"11-producer.sh", nil},
	{"12-deploy.sh", []string{
		"k8s/mine/ConfigMap/kafka/public-key-*", "k8s/mine/Deployment/kafka/kafka-golang-consumer", "k8s/mine/Deployment/kafka/kafka-producer",
		"k8s/mine/NetworkPolicy/kafka/*", "k8s/mine/Service/kafka/consumer", "k8s/mine/ServiceAccount/kafka/workload-identity-sa",
	}},
	{"13-address.sh", nil},
	{"14-ordinary.sh", nil},
	{"12-deploy.sh", nil},
}

// Without this a user who follows the article step by step might not end at a page with plaintext, or would pay for
// resources that are left over.
func TestAzureStages(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	var want []string
	for _, stage := range azureStages {
		out := s.must(stage.script)
		want = append(want, stage.adds...)
		if got := s.resources(); !matches(got, want) {
			t.Fatalf("after %s there is\n%s\nwant\n%s", stage.script, strings.Join(got, "\n"), strings.Join(slices.Sorted(slices.Values(want)), "\n"))
		}
		switch stage.script {
		case "13-address.sh":
			if !strings.Contains(out, "open https://demo-page.eastus.cloudapp.azure.com (address 203.0.113.80, from 203.0.113.7/32)") {
				t.Errorf("the address is not printed: %s", out)
			}
			s.printsVerify(out, "https://demo-page.eastus.cloudapp.azure.com")
			s.decrypts()
		case "14-ordinary.sh":
			if s.confidential() {
				t.Error("the ordinary consumer has the sidecar, the runtime class or the policy")
			}
		case "12-deploy.sh":
			if !s.confidential() {
				t.Error("the consumer has no sidecar, runtime class or policy")
			}
		}
	}
	s.decrypts()
	if out := s.must("15-clean-up.sh"); !strings.Contains(out, "everything in the record is deleted") {
		t.Error(out)
	}
	if left := s.resources(); len(left) > 0 {
		t.Errorf("left over: %s", strings.Join(left, "\n"))
	}
	if _, err := os.Stat(filepath.Join(s.dir, "state", "demo")); err == nil {
		t.Error("the files of the stages are left over")
	}
	s.world.Calls()
	if out := s.must("15-clean-up.sh"); !strings.Contains(out, "nothing to delete") || len(s.world.Calls()) > 0 {
		t.Errorf("a second clean-up: %s", out)
	}
}

// printsVerify checks the command that verifies the page: its files are those of the key, on this computer.
func (s *shell) printsVerify(out, url string) {
	s.t.Helper()
	_, command, found := strings.Cut(out, "bin/verify ")
	words := strings.Fields(command)
	if !found || len(words) != 5 || words[0] != "-policy" || words[2] != "-key" || words[4] != url {
		s.t.Fatalf("no command that verifies the page: %s", out)
	}
	p, err := skrclient.ReadPolicyFile(words[1])
	if err != nil || attested.CheckPolicy(*p) != nil {
		s.t.Errorf("the policy is not enough to verify a page: %v", err)
	}
	key, err := os.ReadFile(words[3])
	if err != nil || !strings.HasPrefix(string(key), "-----BEGIN PUBLIC KEY-----") {
		s.t.Errorf("the key is not a public one: %v", err)
	}
}

// matches compares names with those wanted. A wanted name with * matches one or more.
func matches(got, want []string) bool {
	used := make([]bool, len(want))
	for _, name := range got {
		i := slices.IndexFunc(want, func(pattern string) bool { ok, err := filepath.Match(pattern, name); return ok && err == nil })
		if i < 0 || used[i] && !strings.Contains(want[i], "*") {
			return false
		}
		used[i] = true
	}
	return !slices.Contains(used, false)
}

// producerKey returns the public key in the manifest of the deployed producer.
func (s *shell) producerKey() string {
	s.t.Helper()
	producer, err := s.world.Object("mine", "Deployment", "kafka", "kafka-producer")
	if err != nil {
		s.t.Fatal(err)
	}
	// The ConfigMap of an earlier key stays, so read the one that the producer's pod names.
	volumes, _, err := unstructured.NestedSlice(producer.Object, "spec", "template", "spec", "volumes")
	if err != nil {
		s.t.Fatal(err)
	}
	name := ""
	for _, v := range volumes {
		if volume, ok := v.(map[string]any); ok && volume["name"] == "public-key" {
			name, _, err = unstructured.NestedString(volume, "configMap", "name")
		}
	}
	if err != nil || name == "" {
		s.t.Fatalf("the producer's volumes are %v: %v", volumes, err)
	}
	settings, err := s.world.Object("mine", "ConfigMap", "kafka", name)
	if err != nil {
		s.t.Fatal(err)
	}
	text, _, err := unstructured.NestedString(settings.Object, "data", "kafka-encryption-demo-pub.pem")
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// workload returns the policy of the deployed consumer, and what its hardware measures.
func (s *shell) workload() (policy []byte, measurement [48]byte) {
	s.t.Helper()
	var err error
	if s.given["PLATFORM"] == "container-group" {
		_, policy, err = s.world.Group("kafka-golang-consumer")
	} else {
		policy, err = s.world.Policy("mine")
	}
	if err != nil || len(policy) == 0 {
		s.t.Fatalf("the consumer's policy: %q, %v", policy, err)
	}
	if s.given["PLATFORM"] == "kata-cc" {
		return policy, cloud.Measurement()
	}
	return policy, cloud.ContainerGroupMeasurement()
}

// decrypts encrypts with the deployed producer's key, and decrypts as the deployed consumer's pod.
func (s *shell) decrypts() {
	s.t.Helper()
	text := ""
	if s.given["PLATFORM"] == "container-group" {
		text = s.groupEnv("kafka-producer")["PUBKEY"]
	} else {
		text = s.producerKey()
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		s.t.Fatalf("the producer's public key is %q", text)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok {
		s.t.Fatalf("the producer's public key is a %T", parsed)
	}
	record, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("hello"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	policy, measurement := s.workload()
	request := skrclient.Request{KeyName: s.given["KEY_NAME"], MAAEndpoint: harness.AttestationHost, AKVEndpoint: s.vault}
	release := func(policy []byte) ([]*rsa.PrivateKey, error) {
		server := httptest.NewServer(skrtest.NewWithPlatform(s.world.Cloud.Pod(snp.Guest{SecurityPolicy: policy, Measurement: measurement}, cloud.PodID)))
		defer server.Close()
		client, err := skrclient.New(skrclient.Config{URL: server.URL})
		if err != nil {
			s.t.Fatal(err)
		}
		key, err := client.Release(s.t.Context(), request)
		return []*rsa.PrivateKey{key}, err
	}
	keys, err := release(policy)
	if err != nil {
		s.t.Fatal(err)
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(keys...); err != nil {
		s.t.Fatal(err)
	}
	if opened, err := opener.Open(nil, harness.Topic, []byte(base64.StdEncoding.EncodeToString(record))); err != nil || string(opened.Plaintext) != "hello" {
		s.t.Errorf("the deployed consumer does not decrypt what the deployed producer encrypts: %v", err)
	}
	if _, err := release(append(policy, '\n')); err == nil {
		s.t.Error("another workload gets the key")
	}
}

func (s *shell) confidential() bool {
	s.t.Helper()
	if s.given["PLATFORM"] == "container-group" {
		text, policy, err := s.world.Group("kafka-golang-consumer")
		if err != nil {
			s.t.Fatal(err)
		}
		return len(policy) > 0 && strings.Contains(text, `"Confidential"`) && strings.Contains(text, "/skr.sh")
	}
	consumer, err := s.world.Object("mine", "Deployment", "kafka", "kafka-golang-consumer")
	if err != nil {
		s.t.Fatal(err)
	}
	text := fmt.Sprint(consumer.Object)
	marks := 0
	signs := []string{"kata-cc-isolation", "io.katacontainers.config.agent.policy", "/skr.sh"}
	if s.given["PLATFORM"] == "confidential-aci" {
		signs = []string{"virtualnode2", "microsoft.containerinstance.virtualnode.ccepolicy", "/skr.sh"}
	}
	for _, mark := range signs {
		if strings.Contains(text, mark) {
			marks++
		}
	}
	return marks == 3
}
