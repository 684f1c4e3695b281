package standin

import (
	"strings"

	"kafka-e2ee/e2e/azure/standin/client"
)

// networkCommands are az's commands about networks.
func networkCommands() map[string]command {
	commands := map[string]command{
		"network public-ip create": {needs: "resource-group name location sku allocation-method", do: func(w *World, f flags) (any, error) { return nil, w.make("public-ip", f, nil) }},
		"network nat gateway create": {needs: "resource-group name location public-ip-addresses", do: func(w *World, f flags) (any, error) {
			return nil, firstError(w.there("public-ip/"+f.get("public-ip-addresses")), w.make("nat-gateway", f, map[string]string{"address": f.get("public-ip-addresses")}))
		}},
		"network vnet create": {needs: "resource-group name location address-prefixes subnet-name subnet-prefixes", do: func(w *World, f flags) (any, error) {
			if err := w.make("network", f, nil); err != nil {
				return nil, err
			}
			w.set("network/"+f.get("name")+"/"+f.get("subnet-name"), nil)
			return nil, nil
		}},
		"network vnet subnet list": {needs: "resource-group vnet-name", do: func(w *World, f flags) (any, error) {
			return records(w.within("network/" + f.get("vnet-name"))), w.there("network/" + f.get("vnet-name"))
		}},
		"network vnet subnet show": {needs: "resource-group vnet-name name", do: func(w *World, f flags) (any, error) {
			id := "network/" + f.get("vnet-name") + "/" + f.get("name")
			return map[string]any{"id": scope("network", f.get("vnet-name")+"/"+f.get("name"))}, w.there(id)
		}},
		"network vnet subnet create": {needs: "resource-group vnet-name name address-prefixes", may: "delegations nat-gateway", do: func(w *World, f flags) (any, error) {
			if gateway := f.get("nat-gateway"); gateway != "" && !w.has("nat-gateway/"+gateway) {
				return nil, w.there("nat-gateway/" + gateway)
			}
			id := "network/" + f.get("vnet-name") + "/" + f.get("name")
			if w.has(id) {
				return nil, fail("(InUseSubnetCannotBeUpdated) %s", id)
			}
			w.set(id, map[string]string{"delegation": f.get("delegations"), "gateway": f.get("nat-gateway")})
			return nil, w.there("network/" + f.get("vnet-name"))
		}},
	}
	for words, kind := range map[string]string{"public-ip": "public-ip", "nat gateway": "nat-gateway", "vnet": "network"} {
		commands["network "+words+" list"] = command{needs: "resource-group", do: named(kind)}
		commands["network "+words+" delete"] = command{needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			// What is in use cannot be deleted.
			if kind == "network" && len(w.within("cluster")) > 0 || kind == "nat-gateway" && len(w.within("network")) > 0 || kind == "public-ip" && len(w.within("nat-gateway")) > 0 {
				return nil, fail("(InUseResourceCannotBeDeleted) %s", f.get("name"))
			}
			return nil, w.drop(kind + "/" + f.get("name"))
		}}
	}
	return commands
}

// eventHubsCommands are az's commands about Event Hubs.
func eventHubsCommands() map[string]command {
	hub := func(f flags) string { return "event-hubs/" + f.get("namespace-name") + "/" + f.get("name") }
	return map[string]command{
		"eventhubs namespace list": {needs: "resource-group", do: named("event-hubs")},
		"eventhubs namespace create": {needs: "resource-group name location sku disable-local-auth", do: func(w *World, f flags) (any, error) {
			return nil, w.make("event-hubs", f, map[string]string{"local-auth-disabled": f.get("disable-local-auth")})
		}},
		"eventhubs namespace show": {needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			id := "event-hubs/" + f.get("name")
			return map[string]any{"provisioningState": w.provisioning(id), "disableLocalAuth": w.objects[id]["local-auth-disabled"] == "true"}, w.there(id)
		}},
		"eventhubs namespace delete": {needs: "resource-group name", do: func(w *World, f flags) (any, error) { return nil, w.drop("event-hubs/" + f.get("name")) }},
		"eventhubs eventhub list": {needs: "resource-group namespace-name", do: func(w *World, f flags) (any, error) {
			return records(w.within("event-hubs/" + f.get("namespace-name"))), w.there("event-hubs/" + f.get("namespace-name"))
		}},
		"eventhubs eventhub create": {needs: "resource-group namespace-name name partition-count cleanup-policy retention-time", do: func(w *World, f flags) (any, error) {
			w.set(hub(f), nil)
			return nil, w.there("event-hubs/" + f.get("namespace-name"))
		}},
		"eventhubs eventhub show": {needs: "resource-group namespace-name name", do: func(w *World, f flags) (any, error) {
			return map[string]any{"id": scope("event-hubs", f.get("namespace-name")+"/"+f.get("name"))}, w.there(hub(f))
		}},
		"eventhubs eventhub delete": {needs: "resource-group namespace-name name", do: func(w *World, f flags) (any, error) { return nil, w.drop(hub(f)) }},
	}
}

// helm installs virtual nodes, and nothing else. The node comes up if the cluster may make container groups.
func (w *World) helm(call client.Call) error {
	words := "upgrade --install virtualnode virtualnode --repo https://microsoft.github.io/virtualnodesOnAzureContainerInstances/ --version 1.3406.26050102 --namespace vn2 --create-namespace --wait --timeout "
	name, err := w.clusterOf(call)
	if err != nil || !strings.HasPrefix(strings.Join(call.Args, " "), words) {
		return fail("unknown helm command: %s: %v", call, err)
	}
	for _, network := range w.within("network") {
		subnet := "network/" + network.(string) + "/cg" //nolint:errcheck,forcetypeassert // a name
		roles := []string{"Contributor/" + nodesID + "/" + strings.ReplaceAll(scope("group", "MC_"+name), "/", "!"), "Network Contributor/" + nodesID + "/" + strings.ReplaceAll(scope("", subnet), "/", "!")}
		if w.has("role/"+roles[0]) && w.has("role/"+roles[1]) && w.objects[subnet]["delegation"] == "Microsoft.ContainerInstance/containerGroups" && w.objects[subnet]["gateway"] != "" {
			w.set("k8s/"+name+"/Node/-/virtualnode-0", map[string]string{"json": `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "virtualnode-0", "labels": {"virtualization": "virtualnode2"}}}`})
			return nil
		}
	}
	return fail("Error: context deadline exceeded")
}
