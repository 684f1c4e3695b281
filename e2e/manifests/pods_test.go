package manifests_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

// The exceptions to pod security are the article's settings for the sidecar.
const (
	skrContainer = "skr"
	skrVolume    = "endor-loc"

	certificateContainer = "certificate" // runs before the consumer, and ends
)

// own returns the containers that run our programs, each with its deployment.
func (c *cluster) own() map[*corev1.Container]*appsv1.Deployment {
	found := make(map[*corev1.Container]*appsv1.Deployment)
	for _, d := range c.deployments {
		for _, container := range containers(d) {
			if container.Name != skrContainer {
				found[container] = d
			}
		}
	}
	return found
}

// podSecurity returns why pods of the deployment would be refused at a level.
func podSecurity(level api.Level, d *appsv1.Deployment) (podsecurity.AggregateCheckResult, error) {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		return podsecurity.AggregateCheckResult{}, err
	}
	version := api.LevelVersion{Level: level, Version: api.LatestVersion()}
	return podsecurity.AggregateCheckResults(evaluator.EvaluatePod(version, &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec)), nil
}

// withoutException returns the deployment without the sidecar and its volume.
func withoutException(d *appsv1.Deployment) *appsv1.Deployment {
	d = d.DeepCopy()
	pod := &d.Spec.Template.Spec
	pod.Containers = slices.DeleteFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == skrContainer })
	pod.Volumes = slices.DeleteFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == skrVolume })
	return d
}

func ownPodsAreRestricted(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		result, err := podSecurity(api.LevelRestricted, withoutException(d))
		if err != nil {
			return err
		}
		if !result.Allowed {
			problems = append(problems, fmt.Errorf("%s: pod security: %s: %s", d.Name, result.ForbiddenReason(), result.ForbiddenDetail()))
		}
	}
	for container := range c.own() {
		if s := container.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			problems = append(problems, fmt.Errorf("%s: root file system is not read-only", container.Name))
		}
	}
	return errors.Join(problems...)
}

func noTokenOfTheAPI(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		if mount := d.Spec.Template.Spec.AutomountServiceAccountToken; mount == nil || *mount {
			problems = append(problems, fmt.Errorf("%s: a token for the Kubernetes API is mounted", d.Name))
		}
	}
	return errors.Join(problems...)
}

func probesAnswer(c *cluster) error {
	var problems []error
	for container, d := range c.own() {
		check := func(kind, path string, probe *corev1.Probe) {
			switch {
			case probe == nil || probe.HTTPGet == nil:
				problems = append(problems, fmt.Errorf("%s: has no %s probe over HTTP", container.Name, kind))
			case probe.HTTPGet.Path != path:
				problems = append(problems, fmt.Errorf("%s: %s probe asks %s, want %s", container.Name, kind, probe.HTTPGet.Path, path))
			case port(container, probe.HTTPGet.Port.StrVal) != metricsPort:
				problems = append(problems, fmt.Errorf("%s: %s probe asks port %s, want the name of port %d", container.Name, kind, probe.HTTPGet.Port.String(), metricsPort))
			}
		}
		if container.Name == certificateContainer {
			continue
		}
		check("liveness", "/healthz", container.LivenessProbe)
		if len(c.servicesOf(d)) > 0 {
			check("readiness", "/readyz", container.ReadinessProbe)
		}
	}
	return errors.Join(problems...)
}

// port returns the number of a container's named port, or 0.
func port(c *corev1.Container, name string) int32 {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}

// limitsAsDocumented checks the containers for the article's limits, 1Gi and 200m.
func limitsAsDocumented(c *cluster) error {
	var problems []error
	for container := range c.own() {
		for name, want := range map[corev1.ResourceName]string{corev1.ResourceMemory: "1Gi", corev1.ResourceCPU: "200m"} {
			limit := container.Resources.Limits[name]
			if limit.Cmp(resource.MustParse(want)) != 0 {
				problems = append(problems, fmt.Errorf("%s: limit of %s is %s, want %s", container.Name, name, limit.String(), want))
			}
			if request := container.Resources.Requests[name]; request.IsZero() || request.Cmp(limit) > 0 {
				problems = append(problems, fmt.Errorf("%s: request of %s is %s, limit %s", container.Name, name, request.String(), limit.String()))
			}
		}
	}
	return errors.Join(problems...)
}

func imagesArePinned(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		for _, container := range containers(d) {
			_, digest, byDigest := strings.Cut(container.Image, "@sha256:")
			name := container.Image[strings.LastIndex(container.Image, "/")+1:]
			_, tag, tagged := strings.Cut(name, ":")
			if (!byDigest || digest == "") && (!tagged || tag == "" || tag == "latest") {
				problems = append(problems, fmt.Errorf("%s: image %s is not pinned", container.Name, container.Image))
			}
		}
	}
	return errors.Join(problems...)
}

// podsAreReplacedWhole checks that never two pods run at once: two consumers of one group would share the messages, two
// producers would both count from 1.
func podsAreReplacedWhole(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		if d.Spec.Replicas == nil || *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			problems = append(problems, fmt.Errorf("%s: want one pod, and strategy Recreate", d.Name))
		}
	}
	for _, b := range c.budgets {
		problems = append(problems, fmt.Errorf("disruption budget %s: for one pod it does nothing or blocks every drain", b.Name))
	}
	return errors.Join(problems...)
}

// hashes matches SHA-256 values in hex, as host data stands in a release policy.
var hashes = regexp.MustCompile(`(?i)\b[0-9a-f]{64}\b`)

// noHostDataInEnvironment checks that no environment value is host data: host data is the hash of the pod's policy,
// which holds every environment value, so it could never be right.
func noHostDataInEnvironment(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		for _, container := range containers(d) {
			for _, e := range container.Env {
				if hashes.MatchString(e.Value) || strings.Contains(e.Value, "hostdata") {
					problems = append(problems, fmt.Errorf("%s: %s holds a hash or names host data; the pod's own measurement cannot stand in its environment", container.Name, e.Name))
				}
			}
		}
	}
	return errors.Join(problems...)
}
