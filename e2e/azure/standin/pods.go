package standin

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ready reports whether a Deployment's pods would start: its images can be pulled, and everything it mounts exists.
func (k cluster) ready(namespace, name string) error {
	object, err := k.w.object(k.id("Deployment", namespace, name))
	if err != nil {
		return err
	}
	if name == "strimzi-cluster-operator" {
		return nil
	}
	pullers := map[string]string{}
	for id := range k.w.objects {
		if registry, ok := strings.CutPrefix(id, "role/AcrPull/"+nodesID+"/"); ok {
			pullers[registry[strings.LastIndex(registry, "!")+1:]+".azurecr.io"] = "yes"
		}
	}
	if err := k.w.pulls(object, pullers); err != nil {
		return err
	}
	volumes, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "volumes") //nolint:errcheck // then there is none
	for _, volume := range volumes {
		fields, _ := volume.(map[string]any)                                          //nolint:errcheck // a nil map is as good
		secret, found, _ := unstructured.NestedString(fields, "secret", "secretName") //nolint:errcheck // then there is none
		if found && !k.w.has(k.id("Secret", namespace, secret)) {
			return fail("MountVolume.SetUp failed: secret %q not found", secret)
		}
		mounted, found, _ := unstructured.NestedString(fields, "configMap", "name") //nolint:errcheck // then there is none
		if !found {
			continue
		}
		settings, err := k.w.object(k.id("ConfigMap", namespace, mounted))
		if err != nil {
			return err
		}
		data, _, _ := unstructured.NestedStringMap(settings.Object, "data") //nolint:errcheck // then there is none
		block, _ := pem.Decode([]byte(data["kafka-encryption-demo-pub.pem"]))
		if block == nil {
			return fail("the producer stops: PUBKEY_FILE holds no key")
		}
		if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return err
		}
	}
	return nil
}

// pulls reports whether all images of a pod are pinned, exist, and are open to these registries.
func (w *World) pulls(object *unstructured.Unstructured, registries map[string]string) error {
	containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return err
	}
	for _, container := range containers {
		fields, _ := container.(map[string]any)                  //nolint:errcheck // a nil map is as good
		name, _, _ := unstructured.NestedString(fields, "image") //nolint:errcheck // then it is not found
		if err := w.pullsImage(name, registries); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) pullsImage(name string, registries map[string]string) error {
	if strings.HasPrefix(name, "mcr.microsoft.com/aci/skr:") {
		return nil
	}
	server, rest, _ := strings.Cut(name, "/")
	repository, digest, _ := strings.Cut(rest, "@")
	if registries[server] == "" {
		return fail("ImagePullBackOff: no access to %s", server)
	}
	for id, attributes := range w.objects {
		if strings.HasPrefix(id, image(strings.TrimSuffix(server, ".azurecr.io"), repository)+":") && attributes["digest"] == digest {
			return nil
		}
	}
	return fail("ImagePullBackOff: %s not found", name)
}

// Policy returns the security policy of the deployed consumer's pod.
func (w *World) Policy(clusterName string) ([]byte, error) {
	object, err := w.Object(clusterName, "Deployment", "kafka", "kafka-golang-consumer")
	if err != nil {
		return nil, err
	}
	annotations, _, err := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "annotations")
	if err != nil {
		return nil, err
	}
	encoded := annotations["io.katacontainers.config.agent.policy"] + annotations["microsoft.containerinstance.virtualnode.ccepolicy"]
	return base64.StdEncoding.DecodeString(encoded)
}
