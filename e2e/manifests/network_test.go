package manifests_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// strimziPod holds the labels that Strimzi's operator gives a broker.
var strimziPod = labels.Set{
	"app.kubernetes.io/name": "kafka", "app.kubernetes.io/part-of": "strimzi-my-cluster", "app.kubernetes.io/managed-by": "strimzi-cluster-operator",
	"strimzi.io/cluster": "my-cluster", "strimzi.io/kind": "Kafka", "strimzi.io/name": "my-cluster-kafka",
}

// flows lists all traffic that the network may carry, for each of our pods.
func (c choice) flows() map[string][]string {
	kafka := "out TCP 9092 my-cluster"
	switch {
	case c.has("event-hubs"):
		kafka = "out TCP 9093 anywhere"
	case c.has("strimzi-mtls"):
		kafka = "out TCP 9093 my-cluster"
	}
	page := "in TCP 3333 "
	if c.has("page-attested") {
		page = "in TCP 3443 "
	}
	consumer := []string{page + sourceRange, page + "pods of " + nobody, "in TCP 9464 any pod", "out TCP 443 anywhere", "out TCP 53 anywhere", "out UDP 53 anywhere", kafka}
	producer := []string{"in TCP 9464 any pod", "out TCP 53 anywhere", "out UDP 53 anywhere", kafka}
	if c.platform() != coco { // the node's metadata service
		consumer = append(consumer, "out TCP 80 169.254.169.254/32")
	}
	if c.has("event-hubs") { // its identity's token
		producer = append(producer, "out TCP 443 anywhere")
	}
	slices.Sort(consumer)
	slices.Sort(producer)
	return map[string][]string{consumerName: consumer, "kafka-producer": producer}
}

func networkIsClosed(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		got, limited, err := c.flowsOf(d.Spec.Template.Labels)
		if err != nil {
			return err
		}
		for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
			if !limited[direction] {
				problems = append(problems, fmt.Errorf("%s: no network policy limits its %s", d.Name, direction))
			}
		}
		if want := c.choice.flows()[d.Name]; !slices.Equal(got, want) {
			problems = append(problems, fmt.Errorf("%s: the network carries\n%s\nwant\n%s", d.Name, strings.Join(got, "\n"), strings.Join(want, "\n")))
		}
	}
	_, limited, err := c.flowsOf(strimziPod)
	if len(limited) > 0 {
		problems = append(problems, errors.New("a network policy of ours limits Strimzi's pods"))
	}
	return errors.Join(append(problems, err)...)
}

// flowsOf combines the policies that select a pod, as the network does, and returns the directions that they limit.
func (c *cluster) flowsOf(pod labels.Set) (all []string, limited map[networkingv1.PolicyType]bool, err error) {
	limited = make(map[networkingv1.PolicyType]bool)
	for _, p := range c.policies {
		selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if err != nil {
			return nil, nil, err
		}
		if !selector.Matches(pod) {
			continue
		}
		for _, direction := range p.Spec.PolicyTypes {
			limited[direction] = true
		}
		for _, rule := range p.Spec.Ingress {
			all = append(all, describe("in", rule.Ports, rule.From)...)
		}
		for _, rule := range p.Spec.Egress {
			all = append(all, describe("out", rule.Ports, rule.To)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), limited, nil
}

// describe writes a rule as "in TCP 3333 anywhere".
func describe(direction string, ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) []string {
	var lines, whom []string
	for _, peer := range peers {
		switch {
		case peer.IPBlock != nil:
			whom = append(whom, strings.Join(append([]string{peer.IPBlock.CIDR}, peer.IPBlock.Except...), " but not "))
		case peer.NamespaceSelector != nil && peer.PodSelector == nil && len(peer.NamespaceSelector.MatchLabels)+len(peer.NamespaceSelector.MatchExpressions) == 0:
			whom = append(whom, "any pod")
		case peer.NamespaceSelector != nil && peer.PodSelector == nil && strings.HasPrefix(metav1.FormatLabelSelector(peer.NamespaceSelector), corev1.LabelMetadataName+"="):
			whom = append(whom, "pods of "+strings.TrimPrefix(metav1.FormatLabelSelector(peer.NamespaceSelector), corev1.LabelMetadataName+"="))
		case peer.NamespaceSelector == nil && labels.Set(peer.PodSelector.MatchLabels).String() == "strimzi.io/cluster=my-cluster":
			whom = append(whom, "my-cluster")
		default:
			whom = append(whom, peer.String())
		}
	}
	if len(peers) == 0 {
		whom = []string{"anywhere"}
	}
	if len(ports) == 0 {
		lines = append(lines, direction+" any port "+strings.Join(whom, ", "))
	}
	for _, port := range ports {
		number := "any"
		if port.Port != nil {
			number = port.Port.String()
		}
		protocol := "TCP"
		if port.Protocol != nil {
			protocol = string(*port.Protocol)
		}
		for _, peer := range whom {
			lines = append(lines, strings.Join([]string{direction, protocol, number, peer}, " "))
		}
	}
	return lines
}

// Without this pods that nobody named could read the page past the load balancer, or the pods of a named namespace
// could not.
func TestViewersInsideTheCluster(t *testing.T) {
	t.Parallel()
	const setting = "VIEWER_NAMESPACE=" + nobody + "\n"
	for given, want := range map[string]string{setting: "", "VIEWER_NAMESPACE=\n": "", "VIEWER_NAMESPACE=gateway\n": "gateway"} {
		files := filledIn(t)
		files[settings] = strings.Replace(files[settings], setting, given, 1)
		c, err := decode(render(t, kataCC, files))
		if err != nil {
			t.Fatal(err)
		}
		for _, namespace := range []string{"default", "kafka", "kube-system", "gateway", "none"} {
			if got := c.opensPage(t, namespace); got != (namespace == want) {
				t.Errorf("%s: a pod of %s may open the page: %t", strings.TrimSpace(given), namespace, got)
			}
		}
	}
	// The API server takes the label's value, and takes no namespace of that name.
	if len(validation.IsValidLabelValue(nobody)) > 0 || len(validation.IsDNS1123Label(nobody)) == 0 {
		t.Errorf("%s can be a namespace's name, or is no label", nobody)
	}
	files := filledIn(t)
	files[settings] = strings.Replace(files[settings], setting, "", 1)
	if _, err := build(t, kataCC, files); err == nil || !strings.Contains(err.Error(), "VIEWER_NAMESPACE") {
		t.Errorf("without the setting: %v", err)
	}
}

// opensPage reports whether the policies let a pod of a namespace connect to the page's port.
func (c *cluster) opensPage(t *testing.T, namespace string) bool {
	t.Helper()
	d, err := c.consumer()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.policies {
		pod, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range p.Spec.Ingress {
			page := func(port networkingv1.NetworkPolicyPort) bool {
				return port.Port == nil || port.Port.IntValue() == pagePort
			}
			if !pod.Matches(labels.Set(d.Spec.Template.Labels)) || len(rule.Ports) > 0 && !slices.ContainsFunc(rule.Ports, page) {
				continue
			}
			for _, peer := range rule.From {
				// An absent selector selects nothing, and the address of a pod is not in the range of these settings.
				from, err := metav1.LabelSelectorAsSelector(peer.NamespaceSelector)
				if err != nil {
					t.Fatal(err)
				}
				if from.Matches(labels.Set{corev1.LabelMetadataName: namespace}) {
					return true
				}
			}
		}
	}
	return false
}
