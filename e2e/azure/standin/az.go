package standin

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"kafka-e2ee/e2e/azure/standin/client"
)

const common = " query output only-show-errors!"

// azCommands are az's commands about the subscription, resource groups, identities and attestation.
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

func (w *World) az(call client.Call) (string, error) {
	commands := map[string]command{}
	for _, set := range []map[string]command{azCommands(), clusterCommands(), registryCommands(), groupCommands(), networkCommands(), eventHubsCommands(), roleCommands(), vaultCommands()} {
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
