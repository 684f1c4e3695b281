package standin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/jsonpath"
)

// namespacedKinds returns the kinds of objects that a namespace can hold. Strimzi's are there as long as their definitions.
func (k cluster) namespacedKinds() []string {
	names := []string{"configmaps", "secrets", "serviceaccounts", "services", "persistentvolumeclaims", "deployments.apps", "networkpolicies.networking.k8s.io"}
	for _, definition := range k.w.within(k.root + "/CustomResourceDefinition/-") {
		names = append(names, fmt.Sprint(definition))
	}
	return names
}

// list prints the objects of some kinds: in one namespace, in all, or the cluster's.
func (k cluster) list(names string, f map[string]string) (string, error) {
	var lines []string
	for name := range strings.SplitSeq(names, ",") {
		kind := kinds(name)
		if kind == "" || strings.Contains(name, "strimzi.io") && !k.w.has(k.id("CustomResourceDefinition", "", name)) {
			return "", fail("the server doesn't have a resource type %q", name)
		}
		for id := range k.w.objects {
			parts := strings.Split(strings.TrimPrefix(id, k.root+"/"), "/")
			if !strings.HasPrefix(id, k.root+"/") || len(parts) != 3 || parts[0] != kind || f["--all-namespaces"] == "" && parts[1] != "-" && parts[1] != f["-n"] {
				continue
			}
			object, err := k.live(id, kind, parts[1], parts[2])
			if err != nil {
				return "", err
			}
			if label, value, selects := strings.Cut(f["--selector"], "="); selects && object.GetLabels()[label] != value {
				continue
			}
			line, err := printed(object, f)
			if err != nil {
				return "", err
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n"), nil
}

// live returns an object as the API server has it: with its kind, name and UID.
func (k cluster) live(id, kind, namespace, name string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	if text := k.w.objects[id]["json"]; text != "" {
		if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
			return nil, err
		}
	}
	object.SetKind(kind)
	object.SetName(name)
	object.SetUID(types.UID(id))
	if namespace != "-" {
		object.SetNamespace(namespace)
	}
	return object, nil
}

// printed prints an object in the asked format: its name, or columns of its members.
func printed(object *unstructured.Unstructured, f map[string]string) (string, error) {
	output := f["--output"]
	columns, custom := strings.CutPrefix(output, "custom-columns=")
	switch {
	case output == "name" && object.GetKind() == "CustomResourceDefinition":
		return "customresourcedefinition.apiextensions.k8s.io/" + object.GetName(), nil
	case output == "name" && object.GetKind() == "Node":
		return "node/" + object.GetName(), nil
	case !custom || f["--no-headers"] == "":
		return "", fail("unable to match a printer suitable for the output format %q", output)
	}
	var cells []string
	for column := range strings.SplitSeq(columns, ",") {
		_, member, _ := strings.Cut(column, ":")
		path := jsonpath.New("").AllowMissingKeys(true)
		if err := path.Parse("{" + member + "}"); err != nil {
			return "", err
		}
		results, err := path.FindResults(object.Object)
		if err != nil {
			return "", err
		}
		var values []string
		for _, result := range results {
			for _, value := range result {
				values = append(values, fmt.Sprint(value.Interface()))
			}
		}
		cells = append(cells, cmp.Or(strings.Join(values, ","), "<none>"))
	}
	return strings.Join(cells, "   "), nil
}
