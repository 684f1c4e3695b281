package manifests_test

import (
	"errors"
	"fmt"
	"path"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// servicesOf returns the services that select the deployment's pods.
func (c *cluster) servicesOf(d *appsv1.Deployment) []*corev1.Service {
	var found []*corev1.Service
	for _, s := range c.services {
		if len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
			found = append(found, s)
		}
	}
	return found
}

func namespaceWarns(c *cluster) error {
	var problems []error
	for _, n := range c.namespaces {
		for _, mode := range []string{"warn", "audit"} {
			if got := n.Labels["pod-security.kubernetes.io/"+mode]; got != "restricted" {
				problems = append(problems, fmt.Errorf("namespace %s: %s level is %q, want restricted", n.Name, mode, got))
			}
		}
		if level, set := n.Labels["pod-security.kubernetes.io/enforce"]; set {
			problems = append(problems, fmt.Errorf("namespace %s: enforces %s, which refuses the sidecar's volume", n.Name, level))
		}
	}
	if len(c.namespaces) != 1 {
		problems = append(problems, fmt.Errorf("%d namespaces, want 1", len(c.namespaces)))
	}
	for _, o := range c.objects {
		if _, isNamespace := o.(*corev1.Namespace); !isNamespace && o.GetNamespace() != "kafka" {
			problems = append(problems, fmt.Errorf("%s: namespace is %q, want kafka", o.GetName(), o.GetNamespace()))
		}
	}
	return errors.Join(problems...)
}

func objectsAreLabelled(c *cluster) error {
	var problems []error
	check := func(name string, got map[string]string, keys ...string) {
		for _, key := range keys {
			if got[key] == "" {
				problems = append(problems, fmt.Errorf("%s: label %s is missing", name, key))
			}
		}
	}
	common := []string{"app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"}
	for _, o := range c.objects {
		check(o.GetName(), o.GetLabels(), common...)
		if _, isNamespace := o.(*corev1.Namespace); !isNamespace {
			check(o.GetName(), o.GetLabels(), "app.kubernetes.io/name")
		}
	}
	for _, d := range c.deployments {
		check(d.Name+" pod", d.Spec.Template.Labels, append(common, "app.kubernetes.io/name", "app.kubernetes.io/component")...)
	}
	return errors.Join(problems...)
}

func selectorsMatch(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		pod := labels.Set(d.Spec.Template.Labels)
		if d.Spec.Selector == nil || !labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(pod) {
			problems = append(problems, fmt.Errorf("deployment %s: selects other pods than its own", d.Name))
		}
	}
	for _, s := range c.services {
		served := 0
		for _, d := range c.deployments {
			if !slices.Contains(c.servicesOf(d), s) {
				continue
			}
			served++
			for _, p := range s.Spec.Ports {
				if !slices.ContainsFunc(d.Spec.Template.Spec.Containers, func(c corev1.Container) bool { return port(&c, p.TargetPort.StrVal) != 0 }) {
					problems = append(problems, fmt.Errorf("service %s: no container of %s has the port %s", s.Name, d.Name, p.TargetPort.String()))
				}
			}
		}
		if served != 1 {
			problems = append(problems, fmt.Errorf("service %s: selects %d deployments, want 1", s.Name, served))
		}
	}
	return errors.Join(problems...)
}

// viewersAreLimited checks with the API server's own code who may pass the load balancer, and looks for ways around it:
// a node port, and viewers who arrive with a node's address.
func viewersAreLimited(c *cluster) error {
	var problems []error
	balancers := 0
	for _, s := range c.services {
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		balancers++
		ranges := field.NewPath("spec", "loadBalancerSourceRanges")
		if len(s.Spec.LoadBalancerSourceRanges) == 0 {
			problems = append(problems, fmt.Errorf("service %s: %s is not set: everybody could open the page", s.Name, ranges))
		}
		for i, r := range s.Spec.LoadBalancerSourceRanges {
			if err := validation.IsValidCIDR(ranges.Index(i), r).ToAggregate(); err != nil {
				problems = append(problems, fmt.Errorf("service %s: %w", s.Name, err))
			}
		}
		problems = append(problems, c.noWayAround(s))
	}
	if balancers != 1 {
		problems = append(problems, fmt.Errorf("%d load balancers, want 1", balancers))
	}
	return errors.Join(problems...)
}

func (c *cluster) noWayAround(s *corev1.Service) error {
	var problems []error
	if allocates := s.Spec.AllocateLoadBalancerNodePorts == nil || *s.Spec.AllocateLoadBalancerNodePorts; allocates != c.choice.has("node-port") {
		problems = append(problems, fmt.Errorf("service %s: a port on each node: %t", s.Name, allocates))
	}
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			problems = append(problems, fmt.Errorf("service %s: port %d of each node leads to the page", s.Name, p.NodePort))
		}
	}
	// Virtual nodes are behind other nodes, whose kube-proxy Azure probes: it would probe a port of the Service
	// otherwise.
	want := corev1.ServiceExternalTrafficPolicyLocal
	if c.choice.platform() == aci {
		want = corev1.ServiceExternalTrafficPolicyCluster
		for _, p := range s.Spec.Ports {
			if probe := fmt.Sprintf("service.beta.kubernetes.io/port_%d_health-probe_port", p.Port); s.Annotations[probe] != "10256" {
				problems = append(problems, fmt.Errorf("service %s: %s is %q, want kube-proxy's port", s.Name, probe, s.Annotations[probe]))
			}
		}
	}
	if s.Spec.ExternalTrafficPolicy != want {
		problems = append(problems, fmt.Errorf("service %s: externalTrafficPolicy is %q, want %s", s.Name, s.Spec.ExternalTrafficPolicy, want))
	}
	var allowed []string
	for _, p := range c.policies {
		if p.Name != "kafka-e2ee-page" {
			continue
		}
		for _, rule := range p.Spec.Ingress {
			for _, from := range rule.From {
				if from.IPBlock != nil {
					allowed = append(allowed, from.IPBlock.CIDR)
				}
			}
		}
	}
	if !slices.Equal(allowed, s.Spec.LoadBalancerSourceRanges) {
		problems = append(problems, fmt.Errorf("the network policy lets in %q, and the load balancer %q", allowed, s.Spec.LoadBalancerSourceRanges))
	}
	return errors.Join(problems...)
}

// referencesExist checks that everything a pod names exists: the account, and the files of the public key.
func referencesExist(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		pod := d.Spec.Template.Spec
		if name := pod.ServiceAccountName; name != "" && !slices.ContainsFunc(c.accounts, func(a *corev1.ServiceAccount) bool { return a.Name == name }) {
			problems = append(problems, fmt.Errorf("%s: service account %s is missing", d.Name, name))
		}
		for _, v := range pod.Volumes {
			if v.ConfigMap != nil && c.config(v.ConfigMap.Name) == nil {
				problems = append(problems, fmt.Errorf("%s: config map %s is missing", d.Name, v.ConfigMap.Name))
			}
		}
	}
	return errors.Join(problems...)
}

func (c *cluster) config(name string) *corev1.ConfigMap {
	for _, m := range c.configs {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// mounted returns the text of a file that a config map puts into a container.
func (c *cluster) mounted(d *appsv1.Deployment, in *corev1.Container, file string) (string, bool) {
	for _, m := range in.VolumeMounts {
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.Name != m.Name || v.ConfigMap == nil || m.MountPath != path.Dir(file) {
				continue
			}
			if config := c.config(v.ConfigMap.Name); config != nil {
				text, found := config.Data[path.Base(file)]
				return text, found
			}
		}
	}
	return "", false
}
