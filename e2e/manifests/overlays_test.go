package manifests_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"
)

const consumerName = "kafka-golang-consumer"

func consumerOf(t *testing.T, kustomization string) *appsv1.Deployment {
	t.Helper()
	_, c := overlay(t, kustomization)
	d, err := c.consumer()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Without this the confidential pod could start without its sidecar, its policy or its isolation, and show ciphertext.
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
	wantQuietSidecar(t, skr)
	encoded, _ := environment(skr)("SkrSideCarArgs")
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

// wantQuietSidecar checks the sidecar's log level: older releases, and its default, log tokens and keys.
func wantQuietSidecar(t *testing.T, skr *corev1.Container) {
	t.Helper()
	if !slices.Equal(skr.Command, []string{"/skr.sh"}) {
		t.Errorf("command %q: only /skr.sh reads SkrSideCarArgs", skr.Command)
	}
	var major, minor int
	if _, err := fmt.Sscanf(skr.Image, "mcr.microsoft.com/aci/skr:%d.%d", &major, &minor); err != nil || major < 2 || major == 2 && minor < 12 {
		t.Errorf("image %s, want 2.12 or newer", skr.Image)
	}
	if level, _ := environment(skr)("LogLevel"); level != "info" {
		t.Errorf("log level %q: the sidecar's default logs too much", level)
	}
}

// Without this the pod could stay unscheduled, hang at every name look-up, call Kafka at a wrong address, or not be
// confidential at all.
func TestConfidentialACI(t *testing.T) {
	t.Parallel()
	d := consumerOf(t, aci)
	pod := d.Spec.Template.Spec
	wantAnnotations := map[string]string{
		"microsoft.containerinstance.virtualnode.ccepolicy": generatedPolicy, "microsoft.containerinstance.virtualnode.injectdns": "false",
	}
	if got := d.Spec.Template.Annotations; !maps.Equal(got, wantAnnotations) {
		t.Errorf("%d annotations, DNS %q", len(got), got["microsoft.containerinstance.virtualnode.injectdns"])
	}
	toleration := corev1.Toleration{Key: "virtual-kubelet.io/provider", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
	if !maps.Equal(pod.NodeSelector, map[string]string{"virtualization": "virtualnode2"}) || !slices.Equal(pod.Tolerations, []corev1.Toleration{toleration}) || pod.RuntimeClassName != nil {
		t.Errorf("node selector %v, tolerations %v, runtime class %v", pod.NodeSelector, pod.Tolerations, pod.RuntimeClassName)
	}
	if d.Labels["azure.workload.identity/use"] != "true" {
		t.Error("a release of the policy's generator would leave out the identity's token")
	}
	skr := container(d, skrContainer)
	if skr == nil || len(pod.Containers) != 2 {
		t.Fatalf("%d containers, sidecar %v", len(pod.Containers), skr)
	}
	wantQuietSidecar(t, skr)
	if len(skr.VolumeMounts) > 0 || len(skr.Env) != 1 {
		t.Errorf("the platform puts the certificates into the pod; mounts %v, variables %v", skr.VolumeMounts, skr.Env)
	}
	// The platform replaces the placeholder only if it is the whole value. Only the debug variant has it, for people
	// who look inside.
	thim, _ := environment(container(consumerOf(t, aci+debug), skrContainer))("THIM_ENDPOINT")
	if thim != "===VIRTUALNODE2.CC.THIM.ENDPOINT===" {
		t.Errorf("address of the certificate service %q", thim)
	}
	if brokers, _ := environment(container(d, consumerName))("BROKERS"); brokers != "192.0.2.9:9094" {
		t.Errorf("brokers %q: without kube-proxy a Service's name leads nowhere", brokers)
	}
}

// Without this the pod could ask a sidecar that is not there, keep an identity that it does not need, or run outside a
// guest.
func TestCoCo(t *testing.T) {
	t.Parallel()
	d := consumerOf(t, coco)
	pod := d.Spec.Template.Spec
	if len(containers(d)) != 1 || len(pod.Volumes) != 0 || pod.RuntimeClassName == nil || *pod.RuntimeClassName != "kata-remote" {
		t.Errorf("%d containers, %d volumes, runtime class %v", len(containers(d)), len(pod.Volumes), pod.RuntimeClassName)
	}
	if got := d.Spec.Template.Annotations["io.katacontainers.config.hypervisor.cc_init_data"]; got != generatedPolicy {
		t.Errorf("initdata of %d bytes, want that of initdata.base64", len(got))
	}
	for variable, want := range map[string]string{"KEY_PROVIDER": "cdh", "SkrClientKID": "default/key/kafka-encryption-demo", "SkrClientMAAEndpoint": "", "SkrClientAKVEndpoint": ""} {
		if got, set := environment(container(d, consumerName))(variable); got != want || set != (want != "") {
			t.Errorf("%s=%q, want %q", variable, got, want)
		}
	}
	files := filledIn(t)
	files[settings] = strings.Replace(files[settings], "RUNTIME_CLASS=kata-remote", "RUNTIME_CLASS=kata-qemu-snp", 1)
	if text := render(t, coco, files); !strings.Contains(text, "runtimeClassName: kata-qemu-snp\n") {
		t.Error("another runtime class cannot be chosen in the settings")
	}
}

// Without this an exception made for the sidecar could cover more than is known and written down.
func TestExceptionToPodSecurity(t *testing.T) {
	t.Parallel()
	for _, exception := range []struct {
		overlay string
		level   api.Level
		want    string
	}{
		{kataCC, api.LevelBaseline, "hostPath volumes"},
		{kataCC, api.LevelRestricted, `allowPrivilegeEscalation != false, unrestricted capabilities, restricted volume types, runAsNonRoot != true, seccompProfile`},
		{aci, api.LevelBaseline, ""},
		{aci, api.LevelRestricted, `allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile`},
		{coco, api.LevelRestricted, ""},
		{ordinary, api.LevelRestricted, ""},
	} {
		result, err := podSecurity(exception.level, consumerOf(t, exception.overlay))
		if err != nil {
			t.Fatal(err)
		}
		if result.Allowed != (exception.want == "") || result.ForbiddenReason() != exception.want {
			t.Errorf("%s, %s: %q, want %q", exception.overlay, exception.level, result.ForbiddenReason(), exception.want)
		}
		if strings.Contains(result.ForbiddenDetail(), consumerName) {
			t.Errorf("%s, %s: our container is part of the exception: %s", exception.overlay, exception.level, result.ForbiddenDetail())
		}
	}
}

// Without this the article's experiment could show something other than the effect of the sidecar and the runtime
// class.
func TestOrdinaryDiffersInTheSidecarOnly(t *testing.T) {
	t.Parallel()
	confidential, plain := withoutException(consumerOf(t, kataCC)), consumerOf(t, ordinary)
	confidential.Spec.Template.Spec.RuntimeClassName = nil
	delete(confidential.Spec.Template.Annotations, "io.katacontainers.config.agent.policy")
	wantSame(t, plain, confidential)
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
