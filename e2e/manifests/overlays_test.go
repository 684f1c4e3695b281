package manifests_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"
)

const consumerName = "kafka-golang-consumer"

func consumerOf(t *testing.T, kustomization string) *appsv1.Deployment {
	t.Helper()
	_, c := overlay(t, kustomization)
	d, err := c.deployment(consumerName)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Without this the confidential pod starts without its sidecar, its policy or its isolation, and shows ciphertext.
func TestKataCC(t *testing.T) {
	t.Parallel()
	d := consumerOf(t, kataCC)
	pod := d.Spec.Template.Spec
	if pod.RuntimeClassName == nil || *pod.RuntimeClassName != "kata-cc-isolation" {
		t.Errorf("runtime class %v", pod.RuntimeClassName)
	}
	if got := d.Spec.Template.Annotations["io.katacontainers.config.agent.policy"]; got != generatedPolicy {
		t.Errorf("a policy of %d bytes, want the one of policy.base64", len(got))
	}
	skr := container(d, skrContainer)
	if skr == nil || len(pod.Containers) != 2 {
		t.Fatalf("%d containers, sidecar %v", len(pod.Containers), skr)
	}
	if !slices.Equal(skr.Command, []string{"/skr.sh"}) {
		t.Errorf("command %q: only /skr.sh reads SkrSideCarArgs", skr.Command)
	}
	var major, minor int
	if _, err := fmt.Sscanf(skr.Image, "mcr.microsoft.com/aci/skr:%d.%d", &major, &minor); err != nil || major < 2 || major == 2 && minor < 12 {
		t.Errorf("image %s, want 2.12 or newer", skr.Image)
	}
	env := environment(skr)
	if level, _ := env("LogLevel"); level != "info" {
		t.Errorf("log level %q: the sidecar's default tells too much", level)
	}
	encoded, _ := env("SkrSideCarArgs")
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var args struct {
		CertCache struct {
			EndpointType string `json:"endpoint_type"`
			Endpoint     string
		}
	}
	if err := json.Unmarshal(text, &args); err != nil || args.CertCache.EndpointType != "LocalTHIM" || args.CertCache.Endpoint != "169.254.169.254/metadata/THIM/amd/certification" {
		t.Errorf("sidecar's arguments %s: %v", text, err)
	}
	const documented = "/opt/confidential-containers/share/kata-containers/reference-info-base64"
	if len(pod.Volumes) != 1 || pod.Volumes[0].HostPath == nil || pod.Volumes[0].HostPath.Path != documented ||
		len(skr.VolumeMounts) != 1 || skr.VolumeMounts[0].Name != pod.Volumes[0].Name || skr.VolumeMounts[0].MountPath != documented {
		t.Errorf("volumes %v, mounts %v", pod.Volumes, skr.VolumeMounts)
	}
}

// Without this an exception made for the sidecar would cover more than is known and written down.
func TestExceptionToPodSecurity(t *testing.T) {
	t.Parallel()
	d := consumerOf(t, kataCC)
	for level, want := range map[api.Level]string{
		api.LevelBaseline:   "hostPath volumes",
		api.LevelRestricted: `allowPrivilegeEscalation != false, unrestricted capabilities, restricted volume types, runAsNonRoot != true, seccompProfile`,
	} {
		result, err := podSecurity(level, d)
		if err != nil {
			t.Fatal(err)
		}
		if result.Allowed || result.ForbiddenReason() != want {
			t.Errorf("%s: %q, want %q", level, result.ForbiddenReason(), want)
		}
		if strings.Contains(result.ForbiddenDetail(), consumerName) {
			t.Errorf("%s: our container is part of the exception: %s", level, result.ForbiddenDetail())
		}
	}
}

// Without this the document's experiment shows something else than what the sidecar and the runtime class do.
func TestOrdinaryDiffersInTheSidecarOnly(t *testing.T) {
	t.Parallel()
	confidential, plain := withoutException(consumerOf(t, kataCC)), consumerOf(t, ordinary)
	confidential.Spec.Template.Spec.RuntimeClassName = nil
	delete(confidential.Spec.Template.Annotations, "io.katacontainers.config.agent.policy")
	wantSame(t, plain, confidential)
}

// Without this the policy's generator stops at a field that it does not know, or makes a policy for another pod.
// What it knows was read in its source; it could not be run here.
func TestInputOfGenpolicy(t *testing.T) {
	t.Parallel()
	text, c := overlay(t, genpolicy)
	if len(c.objects) != 1 || len(c.strimzi) != 0 {
		t.Fatalf("%d objects and %d of Strimzi's, want the consumer alone", len(c.objects), len(c.strimzi))
	}
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	pod := "spec.template.spec."
	known := map[string]bool{}
	for _, field := range strings.Fields(`apiVersion kind metadata.name metadata.namespace metadata.labels spec.replicas spec.selector.matchLabels
		spec.strategy.type spec.template.metadata.labels`) {
		known[field] = true
	}
	for _, field := range strings.Fields(`runtimeClassName serviceAccountName volumes.name volumes.hostPath.path
		containers.name containers.image containers.command containers.env.name containers.env.value
		containers.ports.containerPort containers.ports.name containers.volumeMounts.name containers.volumeMounts.mountPath
		containers.resources.limits containers.resources.requests
		containers.livenessProbe.httpGet.path containers.livenessProbe.httpGet.port containers.livenessProbe.periodSeconds
		containers.livenessProbe.timeoutSeconds containers.livenessProbe.failureThreshold
		containers.readinessProbe.httpGet.path containers.readinessProbe.httpGet.port containers.readinessProbe.periodSeconds
		containers.readinessProbe.timeoutSeconds
		containers.securityContext.allowPrivilegeEscalation containers.securityContext.readOnlyRootFilesystem
		containers.securityContext.capabilities.drop`) {
		known[pod+field] = true
	}
	for _, path := range leaves("", object, known) {
		t.Errorf("field %s is not known to the generator", path)
	}

	input, deployed := c.deployments[0], consumerOf(t, kataCC)
	deployed.Spec.Template.Annotations = nil
	deployed.Spec.Template.Spec.AutomountServiceAccountToken = nil
	ours := container(deployed, consumerName)
	ours.SecurityContext.RunAsNonRoot, ours.SecurityContext.SeccompProfile = nil, nil
	wantSame(t, input, deployed)
}

// leaves are the paths of all values, without positions in lists, that are not below a known path.
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

func wantSame(t *testing.T, got, want *appsv1.Deployment) {
	t.Helper()
	texts := [2]string{}
	for i, d := range []*appsv1.Deployment{got, want} {
		text, err := yaml.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Errorf("got\n%s\nwant\n%s", texts[0], texts[1])
	}
}
