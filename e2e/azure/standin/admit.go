package standin

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// admit refuses what the API server would refuse.
func (k cluster) admit(object *unstructured.Unstructured, serverSide bool) error {
	kind, namespace := object.GetKind(), object.GetNamespace()
	if strings.HasPrefix(object.GetAPIVersion(), "kafka.strimzi.io/") && !k.w.has(k.id("CustomResourceDefinition", "", strings.ToLower(kind)+"s.kafka.strimzi.io")) {
		return fail("no matches for kind %q", kind)
	}
	switch kind {
	case "CustomResourceDefinition":
		if !serverSide {
			return fail("metadata.annotations: Too long: may not be more than 262144 bytes")
		}
	case "Service":
		ranges, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "loadBalancerSourceRanges") //nolint:errcheck // then there is none
		for _, r := range ranges {
			if _, err := netip.ParsePrefix(r); err != nil {
				return fail("spec.LoadBalancerSourceRanges[0]: Invalid value: %q", r)
			}
		}
	case "NetworkPolicy":
		rules, _, _ := unstructured.NestedSlice(object.Object, "spec", "ingress") //nolint:errcheck // then there is none
		for _, found := range regexp.MustCompile(`cidr:([^] ]+)`).FindAllStringSubmatch(fmt.Sprint(rules), -1) {
			if _, err := netip.ParsePrefix(found[1]); err != nil {
				return fail("spec.ingress[0].from[0].ipBlock.cidr: Invalid value: %q", found[1])
			}
		}
	case "Deployment":
		class, _, _ := unstructured.NestedString(object.Object, "spec", "template", "spec", "runtimeClassName") //nolint:errcheck // then there is none
		if class != "" && !k.w.has(k.id("RuntimeClass", "", class)) {
			return fail("pod rejected: RuntimeClass %q not found", class)
		}
		if selector, _, _ := unstructured.NestedString(object.Object, "spec", "template", "spec", "nodeSelector", "virtualization"); selector != "" { //nolint:errcheck // then there is none
			if err := k.hasVirtualNode(); err != nil {
				return err
			}
		}
	}
	if !slices.Contains(strings.Fields(clusterWide), kind) && !k.w.has(k.id("Namespace", "", namespace)) {
		return fail("namespaces %q not found", namespace)
	}
	return nil
}

// nodePorts assigns node ports as the API server does: a load balancer's Service gets one on each node unless it wants
// none, and keeps it.
func (k cluster) nodePorts(object *unstructured.Unstructured) error {
	allocates, set, err := unstructured.NestedBool(object.Object, "spec", "allocateLoadBalancerNodePorts")
	if err != nil {
		return err
	}
	ports, _, err := unstructured.NestedSlice(object.Object, "spec", "ports")
	if err != nil {
		return err
	}
	before, err := k.w.object(k.id("Service", object.GetNamespace(), object.GetName()))
	has := err == nil && strings.Contains(fmt.Sprint(before.Object["spec"]), "nodePort:")
	if set && !allocates && !has {
		return nil
	}
	for i := range ports {
		if port, ok := ports[i].(map[string]any); ok {
			port["nodePort"] = int64(30080 + i)
		}
	}
	return unstructured.SetNestedSlice(object.Object, ports, "spec", "ports")
}
