package manifests_test

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// monitoringRelease is the user's release of kube-prometheus-stack.
const monitoringRelease = "the-users-release"

// monitorsFindPods checks that exactly our pods are scraped, by the name of an existing port, and that the dashboards are
// found.
func monitorsFindPods(c *cluster) error {
	wanted := 0
	if c.choice.has("monitoring") {
		wanted = 1
	}
	dashboards := slices.DeleteFunc(slices.Clone(c.configs), func(m *corev1.ConfigMap) bool { return m.Labels["grafana_dashboard"] != "1" || len(m.Data) != 2 })
	if len(c.monitors) != wanted || len(c.alerts) != wanted || len(dashboards) != wanted {
		return fmt.Errorf("%d monitors, %d lists of alerts and %d dashboards, want %d of each", len(c.monitors), len(c.alerts), len(dashboards), wanted)
	}
	var problems []error
	for _, a := range c.alerts {
		if a.Labels["release"] != monitoringRelease {
			problems = append(problems, fmt.Errorf("the alerts have the labels %v: kube-prometheus-stack ignores them", a.Labels))
		}
	}
	for _, m := range c.monitors {
		if m.Labels["release"] != monitoringRelease {
			problems = append(problems, fmt.Errorf("the monitor has the labels %v: kube-prometheus-stack ignores it", m.Labels))
		}
		selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil {
			return err
		}
		for _, d := range c.deployments {
			if !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
				problems = append(problems, fmt.Errorf("%s: is not monitored", d.Name))
			}
			for _, endpoint := range m.Spec.PodMetricsEndpoints {
				if endpoint.Port == nil || port(container(d, d.Name), *endpoint.Port) != metricsPort || endpoint.Path != "" {
					problems = append(problems, fmt.Errorf("%s: has no metrics at %v", d.Name, endpoint.Port))
				}
			}
		}
		if len(m.Spec.PodMetricsEndpoints) != 1 {
			problems = append(problems, fmt.Errorf("%d endpoints", len(m.Spec.PodMetricsEndpoints)))
		}
		if selector.Matches(strimziPod) {
			problems = append(problems, errors.New("strimzi's pods are monitored as ours"))
		}
	}
	return errors.Join(problems...)
}
