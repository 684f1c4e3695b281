package standin

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const common = " query output only-show-errors!"

// azCommands are az's commands, except those about vaults.
func azCommands() map[string]command {
	return map[string]command{
		"version":      {do: func(w *World, _ flags) (any, error) { return w.versions(), nil }},
		"account show": {do: func(w *World, _ flags) (any, error) { return map[string]any{"id": w.Account}, nil }},
		"feature show": {needs: "namespace name", do: func(w *World, f flags) (any, error) {
			if f.get("namespace") != "Microsoft.ContainerService" || f.get("name") != "KataCcIsolationPreview" {
				return nil, fail("(FeatureNotFound) The feature '%s' could not be found.", f.get("name"))
			}
			return map[string]any{"properties": map[string]any{"state": w.Feature}}, nil
		}},
		"provider show": {needs: "namespace", do: func(w *World, f flags) (any, error) {
			return map[string]any{
				"registrationState": w.Providers[f.get("namespace")],
				"resourceTypes":     []any{map[string]any{"resourceType": "managedClusters", "apiVersions": []any{"2026-07-01", newestAKS, "2026-06-02-preview"}}},
			}, nil
		}},
		"vm list-skus": {needs: "location size resource-type", do: func(w *World, f flags) (any, error) {
			sku := map[string]any{
				"name": f.get("size"), "family": family, "restrictions": []any{},
				"capabilities": []any{map[string]any{"name": "vCPUs", "value": "8"}, map[string]any{"name": "MemoryGB", "value": "32"}},
			}
			if f.get("location") != w.Region {
				sku["restrictions"] = []any{map[string]any{"reasonCode": "NotAvailableForSubscription"}}
			}
			return []any{sku}, nil
		}},
		"vm list-usage": {needs: "location", do: func(w *World, _ flags) (any, error) {
			usage := func(name string, limit, used int) any {
				return map[string]any{"name": map[string]any{"value": name}, "limit": fmt.Sprint(limit), "currentValue": used}
			}
			return []any{usage("standardBSFamily", 10, 0), usage(family, w.Cores+4, 4)}, nil
		}},
		"ad signed-in-user show": {do: func(*World, flags) (any, error) { return map[string]any{"id": Person}, nil }},

		"group exists": {needs: "name", do: func(w *World, f flags) (any, error) { return w.has("group/" + f.get("name")), nil }},
		"group create": {needs: "name location", do: func(w *World, f flags) (any, error) {
			w.set("group/"+f.get("name"), nil)
			return nil, nil
		}},
		"group show": {needs: "name", do: func(w *World, f flags) (any, error) {
			// AKS makes a group for each cluster.
			owner, ofCluster := strings.CutPrefix(f.get("name"), "MC_")
			if ofCluster && w.has("cluster/"+owner) {
				return map[string]any{"id": scope("group", f.get("name"))}, nil
			}
			return map[string]any{"id": scope("group", f.get("name"))}, w.there("group/" + f.get("name"))
		}},
		"group delete": {needs: "name", may: "yes!", do: func(w *World, f flags) (any, error) { return nil, w.drop("group/" + f.get("name")) }},
		"resource list": {needs: "resource-group", may: "resource-type", do: func(w *World, f flags) (any, error) {
			if kind := f.get("resource-type"); kind != "" && kind != "Microsoft.Attestation/attestationProviders" {
				return nil, fail("(InvalidResourceType) %s", kind)
			}
			found := []any{}
			for id, attributes := range w.objects {
				kind, name, _ := strings.Cut(id, "/")
				if attributes["group"] == f.get("resource-group") && (f.get("resource-type") == "" || kind == "attestation") {
					found = append(found, map[string]any{"name": name})
				}
			}
			return found, w.inGroup(f)
		}},

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

		"acr list":   {do: named("registry")},
		"acr create": {needs: "resource-group name location sku", do: func(w *World, f flags) (any, error) { return nil, w.make("registry", f, nil) }},
		"acr show": {needs: "name", do: func(w *World, f flags) (any, error) {
			return map[string]any{"id": scope("registry", f.get("name"))}, w.there("registry/" + f.get("name"))
		}},
		"acr login": {needs: "name", do: func(w *World, f flags) (any, error) {
			if err := w.there("registry/" + f.get("name")); err != nil {
				return nil, err
			}
			w.set("docker/login", map[string]string{f.get("name") + ".azurecr.io": "yes"})
			return nil, nil
		}},
		"acr delete": {needs: "resource-group name", may: "yes!", do: func(w *World, f flags) (any, error) { return nil, w.drop("registry/" + f.get("name")) }},
		"acr repository list": {needs: "name", do: func(w *World, f flags) (any, error) {
			seen, names := map[string]bool{}, []any{}
			for _, image := range w.within("registry/" + f.get("name")) {
				name, _, _ := strings.Cut(fmt.Sprint(image), ":")
				if name = strings.ReplaceAll(name, "!", "/"); !seen[name] {
					seen[name], names = true, append(names, name)
				}
			}
			return names, w.there("registry/" + f.get("name"))
		}},
		"acr repository show-tags": {needs: "name repository", do: func(w *World, f flags) (any, error) {
			tags := []any{}
			for _, image := range w.within("registry/" + f.get("name")) {
				if tag, ok := strings.CutPrefix(fmt.Sprint(image), strings.ReplaceAll(f.get("repository"), "/", "!")+":"); ok {
					tags = append(tags, tag)
				}
			}
			if len(tags) == 0 {
				return nil, fail("repository name \"%s\" is not found", f.get("repository"))
			}
			return tags, nil
		}},
		"acr repository show": {needs: "name image", do: func(w *World, f flags) (any, error) {
			id := image(f.get("name"), f.get("image"))
			return map[string]any{"digest": w.objects[id]["digest"]}, w.there(id)
		}},
		"acr repository delete": {needs: "name image", may: "yes!", do: func(w *World, f flags) (any, error) {
			return nil, w.drop(image(f.get("name"), f.get("image")))
		}},

		"identity list":   {needs: "resource-group", do: named("identity")},
		"identity create": {needs: "resource-group name location", do: func(w *World, f flags) (any, error) { return nil, w.make("identity", f, nil) }},
		"identity show": {needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			client := podID
			if strings.HasSuffix(f.get("name"), "-producer") {
				client = "producer"
			}
			return map[string]any{"clientId": client, "principalId": principal(f.get("name")), "id": scope("identity", f.get("name"))}, w.there("identity/" + f.get("name"))
		}},
		"identity delete": {needs: "resource-group name", do: func(w *World, f flags) (any, error) { return nil, w.drop("identity/" + f.get("name")) }},
		"identity federated-credential list": {needs: "resource-group identity-name", do: func(w *World, f flags) (any, error) {
			found := []any{}
			for _, name := range w.within("identity/" + f.get("identity-name")) {
				credential := w.objects[fmt.Sprintf("identity/%s/%s", f.get("identity-name"), name)]
				found = append(found, map[string]any{"name": name, "issuer": credential["issuer"], "subject": credential["subject"], "audiences": []string{credential["audience"]}})
			}
			return found, w.there("identity/" + f.get("identity-name"))
		}},
		"identity federated-credential create": {needs: "resource-group identity-name name issuer subject audiences", do: func(w *World, f flags) (any, error) {
			account := "workload-identity-sa"
			if strings.HasSuffix(f.get("identity-name"), "-producer") {
				account = "kafka-producer"
			}
			if f.get("subject") != "system:serviceaccount:kafka:"+account || f.get("audiences") != "api://AzureADTokenExchange" {
				return nil, fail("the pod would not get a token for %s, %s", f.get("subject"), f.get("audiences"))
			}
			w.set("identity/"+f.get("identity-name")+"/"+f.get("name"), map[string]string{"issuer": f.get("issuer"), "subject": f.get("subject"), "audience": f.get("audiences")})
			return nil, nil
		}},
		"identity federated-credential delete": {needs: "resource-group identity-name name", may: "yes!", do: func(w *World, f flags) (any, error) {
			return nil, w.drop("identity/" + f.get("identity-name") + "/" + f.get("name"))
		}},

		"attestation create": {needs: "resource-group name location", do: func(w *World, f flags) (any, error) { return nil, w.make("attestation", f, nil) }},
		"attestation show": {needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			return map[string]any{"attestUri": "https://" + w.AttestationHost}, w.there("attestation/" + f.get("name"))
		}},
		"attestation delete": {needs: "resource-group name", may: "yes!", do: func(w *World, f flags) (any, error) { return nil, w.drop("attestation/" + f.get("name")) }},

		"confcom katapolicygen": {needs: "yaml print-policy", may: "print-policy!", do: func(w *World, f flags) (any, error) {
			return w.generate(f.get("yaml"))
		}},
	}
}

func (w *World) az(call Call) (string, error) {
	commands := map[string]command{}
	for _, set := range []map[string]command{azCommands(), groupCommands(), networkCommands(), eventHubsCommands(), roleCommands(), vaultCommands()} {
		for name, c := range set {
			c.may += common
			commands[name] = c
		}
	}
	c, f, err := parse(call, commands)
	if err != nil {
		return "", err
	}
	if words := strings.Join(call.Args, " "); w.Account == "" && !strings.HasPrefix(words, "version") {
		return "", fail("Please run 'az login' to setup account.")
	}
	result, err := c.do(w, f)
	if err != nil {
		return "", err
	}
	if text, plain := result.(string); plain {
		return text + "\n", nil
	}
	return display(result, f)
}

func (w *World) versions() any {
	extensions := map[string]any{}
	for name, version := range w.Versions {
		if name != "azure-cli" {
			extensions[name] = version
		}
	}
	return map[string]any{"azure-cli": w.Versions["azure-cli"], "extensions": extensions}
}

func (w *World) there(id string) error {
	if w.has(id) {
		return nil
	}
	return fail("(ResourceNotFound) The Resource '%s' was not found.", id)
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

func (w *World) drop(id string) error {
	err := w.there(id)
	w.remove(id)
	return err
}

func (w *World) inGroup(f flags) error {
	if group := f.get("resource-group"); !w.has("group/" + group) {
		return fail("(ResourceGroupNotFound) Resource group '%s' could not be found.", group)
	}
	return nil
}

// make creates a resource in its group.
func (w *World) make(kind string, f flags, attributes map[string]string) error {
	if err := w.inGroup(f); err != nil {
		return err
	}
	id := kind + "/" + f.get("name")
	w.set(id, attributes)
	w.set(id, map[string]string{"group": f.get("resource-group")})
	return nil
}

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

// named lists the resources of a kind, in one group if one is given.
func named(kind string) func(*World, flags) (any, error) {
	return func(w *World, f flags) (any, error) {
		group := f.get("resource-group")
		names := []any{}
		for _, name := range w.within(kind) {
			if group == "" || w.objects[fmt.Sprintf("%s/%s", kind, name)]["group"] == group {
				names = append(names, name)
			}
		}
		if group != "" {
			return records(names), w.inGroup(f)
		}
		return records(names), nil
	}
}

func records(names []any) []any {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

func scope(kind, name string) string {
	return "/subscriptions/" + Subscription + "/" + strings.TrimPrefix(kind+"/"+name, "/")
}

// principal returns the object id of an identity.
func principal(identity string) string { return "principal-of-" + identity }

// newestAKS is the newest preview of AKS's interface.
const newestAKS = "2026-07-02-preview"

// image returns the object of an image, whose name contains slashes.
func image(registry, name string) string {
	return "registry/" + registry + "/" + strings.ReplaceAll(name, "/", "!")
}

// generate makes a policy as the real generator does: from everything in the file, after pulling its images.
func (w *World) generate(file string) (any, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the script names
	if err != nil {
		return nil, err
	}
	pods, err := decode(text)
	if err != nil || len(pods) != 1 || pods[0].GetKind() != "Deployment" {
		return nil, fail("the generator knows pods alone: %v", err)
	}
	if err := w.pulls(pods[0], w.objects["docker/login"]); err != nil {
		return nil, err
	}
	return base64.StdEncoding.EncodeToString(append([]byte("package agent_policy\n# for exactly this:\n"), text...)), nil
}
