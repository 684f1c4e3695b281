package manifests_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/kubernetes"
)

var controlPlane = flag.String("kubernetes", "", "the program of tools/kubernetes; without it the test on a real API server is left out")

// apiServer is a real one, with Strimzi's kinds, those of Prometheus' operator, and the runtime classes.
type apiServer struct {
	t      *testing.T
	client dynamic.Interface
}

func startAPIServer(t *testing.T) *apiServer {
	t.Helper()
	if *controlPlane == "" {
		harness.LeaveOut(t, "make test-kubernetes")
	}
	c := kubernetes.Start(t, *controlPlane)
	c.Config.WarningHandler = rest.NoWarnings{} // of pods that the test sees refused
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	s := &apiServer{t, client}
	for _, definition := range strimziDefinitions(t) {
		s.must(definition)
	}
	// The operator's own definitions are not here: its objects are decoded strictly into its types elsewhere.
	for kind, plural := range map[string]string{"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"} {
		s.must(parse(t, `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: `+plural+`.monitoring.coreos.com},
			spec: {group: monitoring.coreos.com, scope: Namespaced, names: {kind: `+kind+`, plural: `+plural+`, singular: `+strings.ToLower(kind)+`},
			versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`))
	}
	for _, class := range []string{"kata-cc-isolation", "kata-remote"} {
		s.must(parse(t, `{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: `+class+`}, handler: `+class+`}`))
	}
	for _, object := range []string{"kafkas", "kafkanodepools", "kafkatopics", "kafkausers"} {
		harness.Eventually(t, object+" are served", func() bool {
			_, err := client.Resource(schema.GroupVersionResource{Group: "kafka.strimzi.io", Version: "v1", Resource: object}).List(t.Context(), metav1.ListOptions{})
			return err == nil
		})
	}
	return s
}

// strimziDefinitions returns Strimzi's own definitions.
func strimziDefinitions(t *testing.T) (all []*unstructured.Unstructured) {
	t.Helper()
	if len(schemas(t)) == 0 { // skips if they are not there
		t.Fatal("Strimzi defines nothing")
	}
	files, err := filepath.Glob(filepath.Join(schemaFolder(), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(t, string(text)))
	}
	return all
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := new(unstructured.Unstructured)
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

// pluralOf returns the API's name of an object's kind.
func pluralOf(object *unstructured.Unstructured) schema.GroupVersionResource {
	kind := object.GroupVersionKind()
	plural := strings.ToLower(kind.Kind) + "s"
	switch kind.Kind {
	case "NetworkPolicy":
		plural = "networkpolicies"
	case "RuntimeClass":
		plural = "runtimeclasses"
	}
	return schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: plural}
}

// apply does what kubectl apply --server-side --validate=strict does.
func (s *apiServer) apply(object *unstructured.Unstructured, dryRun ...string) error {
	return s.applyAs("test", object, dryRun...)
}

func (s *apiServer) applyAs(manager string, object *unstructured.Unstructured, dryRun ...string) error {
	text, err := json.Marshal(object.Object)
	if err != nil {
		return err
	}
	client := dynamic.ResourceInterface(s.client.Resource(pluralOf(object)))
	if object.GetNamespace() != "" {
		client = s.client.Resource(pluralOf(object)).Namespace(object.GetNamespace())
	}
	force := true
	_, err = client.Patch(s.t.Context(), object.GetName(), types.ApplyPatchType, text,
		metav1.PatchOptions{FieldManager: manager, Force: &force, FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun})
	return err
}

func (s *apiServer) must(object *unstructured.Unstructured) {
	s.t.Helper()
	if err := s.apply(object); err != nil {
		s.t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// namespace makes namespace kafka as the base does, and enforces restricted there, too.
func (s *apiServer) namespace() {
	s.t.Helper()
	// Under another name, so that the overlays' own object does not take the labels away.
	made := parse(s.t, `{apiVersion: v1, kind: Namespace, metadata: {name: kafka, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/enforce-version: latest}}}`)
	if err := s.applyAs("enforcer", made); err != nil {
		s.t.Fatal(err)
	}
	harness.Eventually(s.t, "the namespace has its account", func() bool {
		_, err := s.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace("kafka").Get(s.t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
}

// clear deletes namespace kafka with everything in it.
func (s *apiServer) clear() {
	s.t.Helper()
	client := s.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	if err := client.Delete(s.t.Context(), "kafka", metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
	harness.Eventually(s.t, "the namespace is gone", func() bool {
		_, err := client.Get(s.t.Context(), "kafka", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// parseAll splits a rendered text.
func parseAll(t *testing.T, text string) (all []*unstructured.Unstructured) {
	t.Helper()
	for document := range strings.SplitSeq(text, "\n---\n") {
		all = append(all, parse(t, document))
	}
	return all
}

// admitted waits until the controllers have made a deployment's pod, and returns why they could not, if so.
func (s *apiServer) admitted(name string) (refusal string) {
	s.t.Helper()
	harness.Eventually(s.t, "the pod of "+name+" is made or refused", func() bool {
		var d appsv1.Deployment
		found, err := s.client.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace("kafka").Get(context.Background(), name, metav1.GetOptions{})
		if err != nil || runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &d) != nil {
			return false
		}
		for _, condition := range d.Status.Conditions {
			if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
				refusal = condition.Message
				return true
			}
		}
		return d.Status.ObservedGeneration == d.Generation && d.Status.UnavailableReplicas == 1 && d.Status.UpdatedReplicas == 1
	})
	return refusal
}

// Without this a cluster could refuse what the README says to deploy, or admit pods that look inside their node.
func TestAPIServer(t *testing.T) {
	s := startAPIServer(t)
	s.namespace()
	for _, chosen := range choices() {
		text, _ := chosen.renders(t)
		for _, object := range parseAll(t, text) {
			if err := s.apply(object, metav1.DryRunAll); err != nil {
				t.Errorf("%s: %s %s: %v", chosen, object.GetKind(), object.GetName(), err)
			}
		}
	}
	// Each overlay is really deployed. Level restricted refuses only the pods with the article's sidecar.
	for overlayName, exceptions := range map[string][]string{
		ordinary: nil, coco: nil, coco + debug: nil,
		kataCC: {"skr", "endor-loc"}, kataCC + debug: {"skr", "endor-loc"}, aci: {"skr"}, aci + debug: {"skr"},
	} {
		text, _ := overlay(t, overlayName)
		for _, object := range parseAll(t, text) {
			if err := s.apply(object); err != nil {
				t.Errorf("%s: %s %s: %v", overlayName, object.GetKind(), object.GetName(), err)
			}
		}
		if refusal := s.admitted("kafka-producer"); refusal != "" {
			t.Errorf("%s: the producer: %s", overlayName, refusal)
		}
		refusal := s.admitted(consumerName)
		if (refusal == "") != (exceptions == nil) || strings.Contains(refusal, `"`+consumerName+`" must`) {
			t.Errorf("%s: the consumer: %s", overlayName, refusal)
		}
		for _, exception := range exceptions {
			if !strings.Contains(refusal, `"`+exception+`"`) {
				t.Errorf("%s: %q is not among what is refused: %s", overlayName, exception, refusal)
			}
		}
		s.clear()
		s.namespace()
	}
}

// Without this the test above could pass whatever the manifests say.
func TestAPIServerRefuses(t *testing.T) {
	s := startAPIServer(t)
	s.namespace()
	pod := `{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: kafka}, spec: {automountServiceAccountToken: false, containers: [{name: p, image: i, securityContext: {privileged: true}}]}}`
	if err := s.apply(parse(t, pod), metav1.DryRunAll); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a privileged pod: %v", err)
	}
	refused := map[string]string{}
	for _, object := range parseAll(t, render(t, ordinary, nil)) {
		if err := s.apply(object, metav1.DryRunAll); err != nil {
			refused[object.GetKind()+" "+object.GetName()] = err.Error()
		}
	}
	if len(refused) != 2 || !strings.Contains(refused["Service consumer"], "set-SOURCE_RANGE") || !strings.Contains(refused["NetworkPolicy kafka-e2ee-page"], "set-SOURCE_RANGE") {
		t.Errorf("as shipped: %v", refused)
	}
	text, _ := overlay(t, ordinary)
	for name, b := range map[string]struct{ old, new, says string }{
		"misspelt field":         {"readinessProbe:", "readinesProbe:", "readinesProbe"},
		"wrong type":             {"replicas: 1", "replicas: one", "replicas"},
		"unknown role of a node": {"- controller\n", "- controler\n", "Unsupported value"},
		"port without a name":    {"port: metrics", "port: Metrics!", "livenessProbe"},
		"another class":          {"serviceAccountName: workload-identity-sa", "runtimeClassName: Not_a_class", "runtimeClassName"},
	} {
		broken := strings.ReplaceAll(text, b.old, b.new)
		if broken == text {
			t.Errorf("%s: there is no %q to break", name, b.old)
			continue
		}
		var said []string
		for _, object := range parseAll(t, broken) {
			if err := s.apply(object, metav1.DryRunAll); err != nil {
				said = append(said, err.Error())
			}
		}
		if !strings.Contains(strings.Join(said, "\n"), b.says) {
			t.Errorf("%s: want %q, got %q", name, b.says, said)
		}
	}
}
