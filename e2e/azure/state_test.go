package azure_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// allowedRanges returns the address ranges that the deployed load balancer and network policy allow.
func (s *shell) allowedRanges() string {
	s.t.Helper()
	service, err := s.world.Object("mine", "Service", "kafka", "consumer")
	if err != nil {
		s.t.Fatal(err)
	}
	policy, err := s.world.Object("mine", "NetworkPolicy", "kafka", "kafka-e2ee-page")
	if err != nil {
		s.t.Fatal(err)
	}
	ranges, _, err := unstructured.NestedStringSlice(service.Object, "spec", "loadBalancerSourceRanges")
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := json.Marshal(policy.Object["spec"])
	if err != nil {
		s.t.Fatal(err)
	}
	_, cidr, _ := strings.Cut(string(text), `"cidr":"`)
	cidr, _, _ = strings.Cut(cidr, `"`)
	return strings.Join(append(ranges, cidr), " ")
}

// Without this a page that was closed in the settings could stay open, while the last stage reports it closed.
func TestAzureChangedRange(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	if out := s.must("all"); s.allowedRanges() != "203.0.113.7/32 203.0.113.7/32" || !strings.Contains(out, "the network policy lets in nobody;") {
		t.Fatalf("deployed: %s: %s", s.allowedRanges(), out)
	}
	s.given["SOURCE_RANGE"], s.given["VIEWER_NAMESPACE"] = "198.51.100.0/24", "gateway"
	// The script reports what is deployed.
	if out := s.must("13-address.sh"); !strings.Contains(out, "from 203.0.113.7/32)") || !strings.Contains(out, "SOURCE_RANGE is not what is deployed") || !strings.Contains(out, "lets in nobody;") || !strings.Contains(out, "VIEWER_NAMESPACE is not what is deployed") {
		t.Errorf("before it is applied: %s", out)
	}
	out := s.must("all")
	if got := s.allowedRanges(); got != "198.51.100.0/24 198.51.100.0/24" || !strings.Contains(out, "from 198.51.100.0/24)") || !strings.Contains(out, "lets in the pods of namespace gateway;") {
		t.Errorf("the cluster has %s, and it is said: %s", got, out)
	}
	if !strings.Contains(out, "other objects (Service, network policies, account) have changed") || strings.Contains(out, "generating the security policy") {
		t.Errorf("the pod was measured again: %s", out)
	}
	// The pod still gets the key.
	s.decrypts()
	if out := s.must("all"); !strings.Contains(out, "the consumer is the one that was measured") {
		t.Errorf("once more: %s", out)
	}
	// The experiment changes the pod, and not who may open the page.
	before, err := s.world.Object("mine", "Service", "kafka", "consumer")
	if err != nil {
		t.Fatal(err)
	}
	s.must("14-ordinary.sh")
	if after, err := s.world.Object("mine", "Service", "kafka", "consumer"); err != nil || s.confidential() || after.GetAnnotations()[dnsLabel] != before.GetAnnotations()[dnsLabel] || s.allowedRanges() != "198.51.100.0/24 198.51.100.0/24" {
		t.Errorf("after the experiment: %v, %v, %s", after, err, s.allowedRanges())
	}
}

const dnsLabel = "service.beta.kubernetes.io/azure-dns-label-name"

// Without this an earlier deployment would keep a port on each node that shows the page to everybody, and the user
// would be told that it is closed.
func TestAzureNodePortIsFound(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.must("all")
	service, err := s.world.Object("mine", "Service", "kafka", "consumer")
	if err != nil {
		t.Fatal(err)
	}
	ports, _, err := unstructured.NestedSlice(service.Object, "spec", "ports")
	if err != nil || ports[0].(map[string]any)["nodePort"] != nil { //nolint:errcheck,forcetypeassert // a Service's
		t.Fatalf("ports %v, %v", ports, err)
	}
	ports[0].(map[string]any)["nodePort"] = int64(30080) //nolint:errcheck,forcetypeassert // as above
	if err := unstructured.SetNestedSlice(service.Object, ports, "spec", "ports"); err != nil {
		t.Fatal(err)
	}
	text, err := service.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s.world.Add("k8s/mine/Service/kafka/consumer", map[string]string{"json": string(text)})
	if out, err := s.run("all"); err == nil || !strings.Contains(out, "the nodes' port 30080 shows the page") || !strings.Contains(out, "delete service consumer") {
		t.Errorf("%v: %s", err, out)
	}
}

// Without this the stages could report the settings, and not what the subscription has.
func TestAzureReportsWhatIsDeployed(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	const open = "the cluster enforces no network policies"
	if out := s.must("all"); strings.Contains(out, open) {
		t.Errorf("a cluster made here: %s", out)
	}
	s.world.Add("cluster/mine", map[string]string{"policies": "none"})
	if out := s.must("02-cluster.sh"); !strings.Contains(out, open) {
		t.Errorf("a cluster without: %s", out)
	}
	s.given["NODE_COUNT"] = "2"
	if out := s.must("02-cluster.sh"); !strings.Contains(out, "with 1 Standard_DC8as_cc_v5") || !strings.Contains(out, "az aks nodepool scale") {
		t.Errorf("another NODE_COUNT: %s", out)
	}
	s.world.Add("identity/pod-identity/kafka-e2ee-mine", map[string]string{"subject": "system:serviceaccount:other:other"})
	if out, err := s.run("04-identity.sh"); err == nil || !strings.Contains(out, "another service account") {
		t.Errorf("a federation with another account: %v: %s", err, out)
	}
}
