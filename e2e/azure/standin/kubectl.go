package standin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"kafka-e2ee/e2e/azure/standin/client"
)

// kinds returns the kind that a command means, or nothing. Strimzi's kinds exist once Strimzi is installed.
func kinds(name string) string {
	return map[string]string{
		"namespace": "Namespace", "runtimeclass": "RuntimeClass", "crd": "CustomResourceDefinition", "deployment": "Deployment", "service": "Service",
		"deployments": "Deployment", "services": "Service", "serviceaccounts": "ServiceAccount", "configmaps": "ConfigMap", "secrets": "Secret", "networkpolicies": "NetworkPolicy", "networkpolicy": "NetworkPolicy",
		"persistentvolumeclaim": "PersistentVolumeClaim", "persistentvolumeclaims": "PersistentVolumeClaim", "deployments.apps": "Deployment", "networkpolicies.networking.k8s.io": "NetworkPolicy",
		"kafkas.kafka.strimzi.io": "Kafka", "kafkatopics.kafka.strimzi.io": "KafkaTopic", "kafkausers.kafka.strimzi.io": "KafkaUser", "kafkanodepools.kafka.strimzi.io": "KafkaNodePool", "strimzipodsets.core.strimzi.io": "StrimziPodSet", "nodes": "Node",
	}[name]
}

const clusterWide = "ClusterRole ClusterRoleBinding CustomResourceDefinition Namespace Node RuntimeClass"

// kubectl's flags, with and without a value.
const (
	valued    = "-n -f --output --timeout --for --selector --verbs"
	valueless = "--ignore-not-found --server-side --client --all-namespaces --no-headers --namespaced"
)

func (w *World) kubectl(call client.Call) (string, error) {
	var words, files []string
	f := map[string]string{}
	for rest := call.Args; len(rest) > 0; {
		flag, value, joined := strings.Cut(rest[0], "=")
		switch {
		case !strings.HasPrefix(flag, "-"):
			words, rest = append(words, rest[0]), rest[1:]
			continue
		case slices.Contains(strings.Fields(valueless), rest[0]):
			f[flag], rest = "true", rest[1:]
			continue
		case !slices.Contains(strings.Fields(valued), flag):
			return "", fail("unknown flag: %s", flag)
		case joined:
			rest = rest[1:]
		case len(rest) < 2:
			return "", fail("flag needs an argument: %s", flag)
		default:
			value, rest = rest[1], rest[2:]
		}
		if f[flag] = value; flag == "-f" {
			files = append(files, value)
		}
	}
	switch {
	case len(words) == 1 && words[0] == "version":
		return `{"clientVersion": {"gitVersion": "v1.32.4"}, "kustomizeVersion": "v5.5.0"}`, nil
	case len(words) == 2 && words[0] == "kustomize":
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), words[1])
		if err != nil {
			return "", err
		}
		text, err := built.AsYaml()
		return string(text), err
	}
	name, err := w.clusterOf(call)
	if err != nil {
		return "", err
	}
	k := cluster{w, "k8s/" + name}
	for _, pool := range w.within("cluster/" + name + "/nodepool") {
		if w.objects[fmt.Sprintf("cluster/%s/nodepool/%s", name, pool)]["runtime"] != "" && !w.RuntimeGap {
			w.set(k.id("RuntimeClass", "", "kata-cc-isolation"), nil)
		}
	}
	switch verb := words[0]; {
	case verb == "wait" && len(words) == 2 && words[1] == "node" && f["--selector"] == virtualNodes && f["--for"] == "condition=Ready" && f["--timeout"] != "":
		return "", k.hasVirtualNode()
	case verb == "get" && len(words) == 2:
		return k.list(words[1], f)
	case verb == "api-resources" && len(words) == 1 && f["--verbs"] == "list" && f["--namespaced"] != "" && f["--output"] == "name":
		return strings.Join(k.namespacedKinds(), "\n") + "\n", nil
	case verb == "get" && len(words) == 3:
		return k.get(words[1], f["-n"], words[2], f)
	case verb == "get" && len(words) == 1 && len(files) > 0 && f["--ignore-not-found"] != "" && f["--output"] == "name":
		return k.getFiles(files)
	case verb == "apply" && len(words) == 1 && len(files) > 0:
		return "", k.apply(files, f)
	case verb == "delete" && len(files) > 0 && len(words) == 1:
		return "", k.deleteFiles(files, f["-n"])
	case verb == "delete" && f["--selector"] != "" && len(words) == 2:
		return "", k.deleteSelected(words[1], f["-n"], f["--selector"])
	case verb == "delete" && len(words) == 3 && kinds(words[1]) != "":
		k.delete(kinds(words[1]), f["-n"], words[2])
		return "", nil
	case verb == "rollout" && len(words) == 3 && words[1] == "status" && f["--timeout"] != "":
		return "", k.ready(f["-n"], strings.TrimPrefix(words[2], "deployment/"))
	case verb == "wait" && len(words) == 2 && words[1] == "kafka/my-cluster" && f["--for"] == "condition=Ready" && f["--timeout"] != "":
		return "", w.there(k.id("Kafka", f["-n"], "my-cluster"))
	}
	return "", fail("unknown command: %s", call)
}

// clusterOf returns the name of the cluster that a call is for.
func (w *World) clusterOf(call client.Call) (string, error) {
	name, err := os.ReadFile(call.Kubeconfig)
	if err != nil || !w.has("cluster/"+string(name)) {
		return "", fail("The connection to the server localhost:8080 was refused - did you specify the right host or port?")
	}
	return string(name), nil
}

const virtualNodes = "virtualization=virtualnode2"

func (k cluster) hasVirtualNode() error {
	if len(k.w.within(k.root+"/Node/-")) == 0 {
		return fail("error: no matching resources found")
	}
	return nil
}

// cluster returns the objects of one cluster, k8s/CLUSTER/KIND/NAMESPACE/NAME.
type cluster struct {
	w    *World
	root string
}

func (k cluster) id(kind, namespace, name string) string {
	if slices.Contains(strings.Fields(clusterWide), kind) {
		namespace = "-"
	}
	return strings.Join([]string{k.root, kind, namespace, name}, "/")
}

func (k cluster) get(kind, namespace, name string, f map[string]string) (string, error) {
	if kinds(kind) == "" || strings.Contains(kind, ".") && !k.w.has(k.id("CustomResourceDefinition", "", kind)) {
		return "", fail("the server doesn't have a resource type %q", kind)
	}
	id := k.id(kinds(kind), namespace, name)
	switch {
	case !k.w.has(id) && f["--ignore-not-found"] != "":
		return "", nil
	case !k.w.has(id):
		return "", fail("(NotFound): %s %q not found", kind, name)
	case f["--output"] == "name":
		return kind + "/" + name + "\n", nil
	case strings.HasPrefix(f["--output"], "jsonpath="):
		// The address exists from the second request on.
		if strings.Contains(f["--output"], ".status.loadBalancer") {
			defer k.w.set(id, map[string]string{"address": "203.0.113.80"})
		}
		return k.pick(id, strings.TrimPrefix(f["--output"], "jsonpath="))
	}
	return "", fail("unable to match a printer suitable for the output format %q", f["--output"])
}

// pick prints parts of an object as kubectl does: missing ones as nothing.
func (k cluster) pick(id, template string) (string, error) {
	object, err := k.w.object(id)
	if err != nil {
		return "", err
	}
	if address := k.w.objects[id]["address"]; address != "" {
		object.Object["status"] = map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": address}}}}
	}
	var out strings.Builder
	path := jsonpath.New("").AllowMissingKeys(true)
	if err := path.Parse(template); err != nil {
		return "", fail("error parsing jsonpath %s: %v", template, err)
	}
	if err := path.Execute(&out, object.Object); err != nil {
		return "", fail("error executing jsonpath: %v", err)
	}
	return out.String(), nil
}

func (w *World) object(id string) (*unstructured.Unstructured, error) {
	objects, err := decode([]byte(w.objects[id]["json"]))
	if err != nil || len(objects) != 1 {
		return nil, fail("no object %s", id)
	}
	return objects[0], nil
}

// Object returns an object of the cluster as it was applied.
func (w *World) Object(clusterName, kind, namespace, name string) (*unstructured.Unstructured, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.object(cluster{w, "k8s/" + clusterName}.id(kind, namespace, name))
}

func absolute(call client.Call, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(call.Dir, file)
}
