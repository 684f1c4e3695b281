package standin

import (
	"fmt"
	"slices"
	"strings"
)

// namespacedKinds returns the kinds of objects that a namespace can hold. Strimzi's are there as long as their definitions.
func (k cluster) namespacedKinds() []string {
	names := []string{"configmaps", "secrets", "serviceaccounts", "services", "persistentvolumeclaims", "deployments.apps", "networkpolicies.networking.k8s.io"}
	for _, definition := range k.w.within(k.root + "/CustomResourceDefinition/-") {
		names = append(names, fmt.Sprint(definition))
	}
	return names
}

// columns are the ones that clean-up asks for.
const columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,OWNER:.metadata.ownerReferences[0].name,DELETED:.metadata.deletionTimestamp"

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
			switch {
			case f["--output"] == "name" && kind == "Node" && f["--selector"] == virtualNodes:
				lines = append(lines, "node/"+parts[2])
			case f["--output"] == "name" && kind == "CustomResourceDefinition":
				lines = append(lines, "customresourcedefinition.apiextensions.k8s.io/"+parts[2])
			case f["--output"] == columns && f["--no-headers"] != "":
				lines = append(lines, strings.Join([]string{kind, parts[1], parts[2], "<none>", "<none>"}, "   "))
			default:
				return "", fail("unable to match a printer suitable for the output format %q", f["--output"])
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n"), nil
}
