package manifests_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"kafka-e2ee/e2e/harness"
)

// schemaFolder is where Strimzi's own definitions are. A relative STRIMZI_CRDS is relative to the repository's root.
func schemaFolder() string {
	folder := os.Getenv("STRIMZI_CRDS")
	if folder == "" {
		folder = "../shared/schemas/strimzi"
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join("../..", folder)
	}
	return folder
}

// schemas returns Strimzi's own definitions by kind, for the API version in use.
func schemas(t *testing.T) map[string]*apiextensions.JSONSchemaProps {
	t.Helper()
	folder := schemaFolder()
	found := definitions(t, folder)
	if len(found) == 0 {
		harness.LeaveOut(t, "Strimzi's definitions are not in "+folder+" (set STRIMZI_CRDS to the folder that holds install/cluster-operator/04*-Crd-*.yaml)")
	}
	return found
}

// definitions returns the schemas of a folder's CustomResourceDefinitions by kind, in version v1.
func definitions(t *testing.T, folder string) map[string]*apiextensions.JSONSchemaProps {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]*apiextensions.JSONSchemaProps)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &definition); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, version := range definition.Spec.Versions {
			if version.Name != "v1" || version.Schema == nil {
				continue
			}
			schema := new(apiextensions.JSONSchemaProps)
			if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, schema, nil); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			found[definition.Spec.Names.Kind] = schema
		}
	}
	return found
}

// valid checks an object as the API server does, and refuses unknown fields, which the API server would drop.
func valid(schema *apiextensions.JSONSchemaProps, object *unstructured.Unstructured) error {
	if schema == nil {
		return errors.New("kind " + object.GetKind() + ": has no definition")
	}
	validator, _, err := validation.NewSchemaValidator(schema)
	if err != nil {
		return err
	}
	structural, err := structuralschema.NewStructural(schema)
	if err != nil {
		return err
	}
	problems := []error{validation.ValidateCustomResource(nil, object.Object, validator).ToAggregate()}
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(object.DeepCopy().Object, structural, true, options) {
		problems = append(problems, errors.New("unknown field "+path))
	}
	return errors.Join(problems...)
}

// Without this the operator could refuse the cluster or ignore a part of it, unnoticed before it is deployed.
func TestStrimziObjects(t *testing.T) {
	t.Parallel()
	known := schemas(t)
	text, c := choice{aci, []string{"settings", "strimzi", "strimzi-mtls", "strimzi-load-balancer"}}.renders(t)
	kinds := map[string]int{}
	for _, o := range c.strimzi {
		kinds[o.GetKind()]++
		if err := valid(known[o.GetKind()], o); err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		if o.GetNamespace() != "kafka" || o.GetAPIVersion() != "kafka.strimzi.io/v1" {
			t.Errorf("%s %s: namespace %s, API %s", o.GetKind(), o.GetName(), o.GetNamespace(), o.GetAPIVersion())
		}
		if cluster := o.GetLabels()["strimzi.io/cluster"]; o.GetKind() != "Kafka" && cluster != "my-cluster" {
			t.Errorf("%s %s: belongs to cluster %q", o.GetKind(), o.GetName(), cluster)
		}
	}
	if kinds["Kafka"] != 1 || kinds["KafkaNodePool"] != 1 || kinds["KafkaTopic"] != 1 || kinds["KafkaUser"] != 2 {
		t.Errorf("objects %v", kinds)
	}

	for name, b := range map[string]struct{ old, new, says string }{
		"misspelt field": {"partitions: 1", "partition: 1", "unknown field spec.partition"},
		"unknown role":   {"- controller\n", "- controler\n", "Unsupported value"},
		"wrong type":     {"port: 9093\n      tls", "port: plain\n      tls", "must be of type integer"},
		"no operation":   {"- Write\n", "- Wite\n", "Unsupported value"},
		"field missing":  {"    type: jbod\n", "", "storage.type"},
		"unknown kind":   {"kind: KafkaTopic", "kind: KafkaTopics", "has no definition"},
	} {
		broken, err := decode(strings.ReplaceAll(text, b.old, b.new))
		if err != nil {
			t.Fatal(err)
		}
		var problems []error
		for _, o := range broken.strimzi {
			problems = append(problems, valid(known[o.GetKind()], o))
		}
		if err := errors.Join(problems...); err == nil || !strings.Contains(err.Error(), b.says) {
			t.Errorf("%s: want %q, got: %v", name, b.says, err)
		}
	}
}
