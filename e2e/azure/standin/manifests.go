package standin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// decode reads the objects in a file.
func decode(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := new(unstructured.Unstructured)
		err := decoder.Decode(object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case object.Object != nil:
			objects = append(objects, object)
		}
	}
}

// eachObject calls a function for each object in the files and folders, in order, until it fails.
func eachObject(files []string, do func(*unstructured.Unstructured) error) error {
	for _, file := range files {
		if inside, err := filepath.Glob(filepath.Join(file, "*.yaml")); err == nil && len(inside) > 0 {
			if err := eachObject(inside, do); err != nil {
				return err
			}
			continue
		}
		text, err := os.ReadFile(file) //nolint:gosec // the file that the script names
		if err != nil {
			return err
		}
		objects, err := decode(text)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := do(object); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply makes the objects in the files, and what others make for them.
func (k cluster) apply(files []string, f map[string]string) error {
	return eachObject(files, func(object *unstructured.Unstructured) error {
		if object.GetNamespace() == "" {
			object.SetNamespace(f["-n"])
		}
		if err := k.admit(object, f["--server-side"] != ""); err != nil {
			return err
		}
		if object.GetKind() == "Service" {
			if err := k.nodePorts(object); err != nil {
				return err
			}
		}
		text, err := object.MarshalJSON()
		if err != nil {
			return err
		}
		k.w.set(k.id(object.GetKind(), object.GetNamespace(), object.GetName()), map[string]string{"json": string(text)})
		if object.GetKind() == "Kafka" {
			for kind, name := range map[string]string{"PersistentVolumeClaim": "data-0", "StrimziPodSet": "my-cluster-dual-role", "Secret": "my-cluster-cluster-ca-cert"} {
				k.w.set(k.id(kind, object.GetNamespace(), name), map[string]string{"json": `{"apiVersion": "v1", "kind": "` + kind + `", "metadata": {"labels": {"strimzi.io/cluster": "my-cluster"}}}`})
			}
		}
		if object.GetKind() == "KafkaUser" {
			k.w.set(k.id("Secret", object.GetNamespace(), object.GetName()), map[string]string{"json": `{"apiVersion": "v1", "kind": "Secret", "metadata": {}}`})
		}
		// Every namespace has these.
		if object.GetKind() == "Namespace" {
			k.w.set(k.id("ConfigMap", object.GetName(), "kube-root-ca.crt"), nil)
			k.w.set(k.id("ServiceAccount", object.GetName(), "default"), nil)
		}
		return nil
	})
}

// delete deletes an object, and what goes with it: everything in a namespace, all objects of a definition.
func (k cluster) delete(kind, namespace, name string) {
	k.w.remove(k.id(kind, namespace, name))
	// Strimzi's Secrets go with what they are for.
	switch kind {
	case "Kafka":
		k.w.remove(k.id("Secret", namespace, name+"-cluster-ca-cert"))
	case "KafkaUser":
		k.w.remove(k.id("Secret", namespace, name))
	}
	for id := range k.w.objects {
		parts := strings.Split(id, "/")
		if strings.HasPrefix(id, k.root+"/") && (kind == "Namespace" && parts[3] == name || kind == "CustomResourceDefinition" && parts[2] == kinds(name)) {
			k.w.remove(id)
		}
	}
}

// getFiles prints the names of the objects in the files that the cluster has.
func (k cluster) getFiles(files []string) (names string, err error) {
	err = eachObject(files, func(object *unstructured.Unstructured) error {
		if k.w.has(k.id(object.GetKind(), object.GetNamespace(), object.GetName())) {
			names += strings.ToLower(object.GetKind()) + "/" + object.GetName() + "\n"
		}
		return nil
	})
	return names, err
}

func (k cluster) deleteFiles(files []string, namespace string) error {
	return eachObject(files, func(object *unstructured.Unstructured) error {
		if object.GetNamespace() != "" {
			namespace = object.GetNamespace()
		}
		k.delete(object.GetKind(), namespace, object.GetName())
		return nil
	})
}

func (k cluster) deleteSelected(names, namespace, selector string) error {
	label, value, _ := strings.Cut(selector, "=")
	for name := range strings.SplitSeq(names, ",") {
		if kinds(name) == "" {
			return fail("the server doesn't have a resource type %q", name)
		}
		for _, object := range k.w.within(strings.Join([]string{k.root, kinds(name), namespace}, "/")) {
			id := k.id(kinds(name), namespace, fmt.Sprint(object))
			if o, err := k.w.object(id); err == nil && o.GetLabels()[label] == value {
				k.w.remove(id)
			}
		}
	}
	return nil
}
