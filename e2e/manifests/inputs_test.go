package manifests_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// knownToGenerators are the fields of a Deployment that Kata's generator, the strictest, reads. They were taken from
// its source, since it could not be run here.
func knownToGenerators() map[string]bool {
	known := map[string]bool{}
	for _, field := range strings.Fields(`apiVersion kind metadata.name metadata.namespace metadata.labels spec.replicas spec.selector.matchLabels
		spec.strategy.type spec.template.metadata.labels`) {
		known[field] = true
	}
	for _, field := range strings.Fields(`runtimeClassName serviceAccountName nodeSelector tolerations volumes.name volumes.hostPath.path
		volumes.secret.secretName volumes.secret.items.key volumes.secret.items.path volumes.emptyDir.sizeLimit`) {
		known["spec.template.spec."+field] = true
	}
	for _, list := range []string{"containers.", "initContainers."} {
		for _, field := range strings.Fields(`name image command env.name env.value ports.containerPort ports.name
			volumeMounts.name volumeMounts.mountPath volumeMounts.readOnly resources.limits resources.requests
			livenessProbe.httpGet.path livenessProbe.httpGet.port livenessProbe.periodSeconds
			livenessProbe.timeoutSeconds livenessProbe.failureThreshold
			readinessProbe.httpGet.path readinessProbe.httpGet.port readinessProbe.periodSeconds
			readinessProbe.timeoutSeconds
			securityContext.allowPrivilegeEscalation securityContext.readOnlyRootFilesystem
			securityContext.capabilities.drop`) {
			known["spec.template.spec."+list+field] = true
		}
	}
	return known
}

// Without this a policy generator could fail at an unknown field, or make a policy for another pod than the deployed
// one, which then would not start or get no key.
func TestInputOfGenerators(t *testing.T) {
	t.Parallel()
	known := knownToGenerators()
	for _, deployed := range choices() {
		if measured[deployed.overlay].file == "" {
			continue
		}
		for _, variant := range []string{"", debug} {
			chosen := choice{deployed.overlay + variant, deployed.components}
			text, c := chosen.input().renders(t)
			if len(c.objects) != 1 || len(c.strimzi) != 0 {
				t.Errorf("%s: %d objects and %d of Strimzi's, want the consumer alone", chosen, len(c.objects), len(c.strimzi))
				continue
			}
			var object map[string]any
			if err := yaml.Unmarshal([]byte(text), &object); err != nil {
				t.Fatal(err)
			}
			for _, path := range leaves("", object, known) {
				t.Errorf("%s: field %s is not known to the generator", chosen, path)
			}
			_, all := chosen.renders(t)
			pod, err := all.consumer()
			if err != nil {
				t.Fatal(err)
			}
			pod.Spec.Template.Annotations = nil
			pod.Spec.Template.Spec.AutomountServiceAccountToken = nil
			for _, container := range containers(pod) {
				if container.Name != skrContainer {
					container.SecurityContext.RunAsNonRoot, container.SecurityContext.SeccompProfile = nil, nil
				}
			}
			wantSame(t, c.deployments[0], pod)
		}
	}
}

// leaves returns the paths of all values that are not below a known path, without list positions.
func leaves(path string, value any, known map[string]bool) (unknown []string) {
	if known[path] {
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			unknown = append(unknown, leaves(strings.TrimPrefix(path+"."+key, "."), below, known)...)
		}
	case []any:
		for _, below := range v {
			unknown = append(unknown, leaves(path, below, known)...)
		}
	default:
		unknown = append(unknown, path)
	}
	return unknown
}
