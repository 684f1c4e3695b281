package standin

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// newestAKS is the newest preview of AKS's interface.
const newestAKS = "2026-07-02-preview"

// clusterCommands are az's commands about clusters and their node pools.
func clusterCommands() map[string]command {
	return map[string]command{
		"aks list": {needs: "resource-group", do: named("cluster")},
		"aks create": {
			needs: "resource-group name location nodepool-name node-count node-vm-size enable-oidc-issuer enable-workload-identity no-ssh-key network-plugin network-policy",
			may:   "kubernetes-version os-sku workload-runtime network-plugin-mode vnet-subnet-id service-cidr dns-service-ip enable-oidc-issuer! enable-workload-identity! no-ssh-key!",
			do: func(w *World, f flags) (any, error) {
				if err := w.nodes(f); err != nil {
					return nil, err
				}
				if subnet := f.get("vnet-subnet-id"); subnet != "" && !w.has(strings.TrimPrefix(subnet, scope("", ""))) || (subnet == "") != (f.get("network-plugin-mode") == "overlay") {
					return nil, fail("(InvalidParameter) the subnet %q cannot hold the nodes", subnet)
				}
				if err := w.make("cluster", f, map[string]string{"issuer": "true", "location": f.get("location"), "policies": f.get("network-policy")}); err != nil {
					return nil, err
				}
				w.set("cluster/"+f.get("name")+"/nodepool/"+f.get("nodepool-name"), map[string]string{"count": f.get("node-count"), "size": f.get("node-vm-size"), "runtime": f.get("workload-runtime")})
				return nil, nil
			},
		},
		"aks show": {needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			id := "cluster/" + f.get("name")
			issuer := w.objects[id]["issuer"] == "true"
			return map[string]any{
				"oidcIssuerProfile":  map[string]any{"enabled": issuer, "issuerUrl": "https://issuer.example/" + f.get("name") + "/"},
				"securityProfile":    map[string]any{"workloadIdentity": map[string]any{"enabled": issuer}},
				"identityProfile":    map[string]any{"kubeletidentity": map[string]any{"objectId": nodesID}},
				"networkProfile":     map[string]any{"networkPolicy": cmp.Or(w.objects[id]["policies"], "none")},
				"location":           cmp.Or(w.objects[id]["location"], w.Region),
				"provisioningState":  w.provisioning(id),
				"nodeResourceGroup":  "MC_" + f.get("name"),
				"servicePrincipal":   nil,
				"aadProfile":         nil,
				"agentPoolProfiles":  w.within(id + "/nodepool"),
				"currentEnvironment": nil,
			}, w.there(id)
		}},
		"aks update": {needs: "resource-group name", may: "enable-oidc-issuer! enable-workload-identity!", do: func(w *World, f flags) (any, error) {
			id := "cluster/" + f.get("name")
			if err := w.there(id); err != nil {
				return nil, err
			}
			w.set(id, map[string]string{"issuer": "true"})
			return nil, nil
		}},
		"aks delete": {needs: "resource-group name", may: "yes!", do: func(w *World, f flags) (any, error) {
			w.remove("k8s/" + f.get("name"))
			return nil, w.drop("cluster/" + f.get("name"))
		}},
		"aks get-credentials": {needs: "resource-group name file", may: "overwrite-existing!", do: func(w *World, f flags) (any, error) {
			if err := w.there("cluster/" + f.get("name")); err != nil {
				return nil, err
			}
			return nil, os.WriteFile(filepath.Join(f.get("file")), []byte(f.get("name")), 0o600)
		}},
		"aks nodepool list": {needs: "resource-group cluster-name", do: func(w *World, f flags) (any, error) {
			return records(w.within("cluster/" + f.get("cluster-name") + "/nodepool")), w.there("cluster/" + f.get("cluster-name"))
		}},
		"aks nodepool add": {needs: "resource-group cluster-name name node-count node-vm-size os-sku workload-runtime", may: "kubernetes-version", do: func(w *World, f flags) (any, error) {
			if err := w.there("cluster/" + f.get("cluster-name")); err != nil {
				return nil, err
			}
			if err := w.nodes(f); err != nil {
				return nil, err
			}
			w.set("cluster/"+f.get("cluster-name")+"/nodepool/"+f.get("name"), map[string]string{"count": f.get("node-count"), "size": f.get("node-vm-size"), "runtime": f.get("workload-runtime")})
			return nil, nil
		}},
		"aks nodepool show": {needs: "resource-group cluster-name name", do: func(w *World, f flags) (any, error) {
			id := "cluster/" + f.get("cluster-name") + "/nodepool/" + f.get("name")
			count, _ := strconv.Atoi(w.objects[id]["count"]) //nolint:errcheck // then it has none
			return map[string]any{"count": count, "vmSize": w.objects[id]["size"], "provisioningState": w.provisioning(id)}, w.there(id)
		}},
		"aks nodepool delete": {needs: "resource-group cluster-name name", do: func(w *World, f flags) (any, error) {
			return nil, w.drop("cluster/" + f.get("cluster-name") + "/nodepool/" + f.get("name"))
		}},
	}
}

// provisioning returns the state of a cluster or node pool. Azure still makes it when it is first looked at.
func (w *World) provisioning(id string) string {
	if state := w.objects[id]["state"]; state != "" {
		return state
	}
	if w.objects[id] != nil && w.objects[id]["seen"] == "" {
		w.objects[id]["seen"] = "yes"
		return "Creating"
	}
	return "Succeeded"
}

// nodes reports whether Azure makes such nodes.
func (w *World) nodes(f flags) error {
	switch {
	case f.get("os-sku") == "" && f.get("workload-runtime") == "":
		return nil
	case f.get("os-sku") != "AzureLinux" || f.get("workload-runtime") != "KataCcIsolation":
		return fail("(InvalidParameter) %s nodes cannot run %s", f.get("os-sku"), f.get("workload-runtime"))
	case w.Ended:
		return fail("(InvalidParameter) WorkloadRuntime KataCcIsolation is not supported")
	case w.Feature != "Registered":
		return fail("(FeatureNotFound) KataCcIsolationPreview is not registered")
	}
	return nil
}
