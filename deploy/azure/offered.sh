# Has Azure validate what the platform needs, before anything is billed. It finds what Azure refuses; whether it notices
# a region or a preview that has ended is not known.
# 02-cluster.sh sources this file; it is not a program.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

# checkOffered WHAT TYPE NAME API-VERSION: has Azure validate a template with one resource, whose other members are on
# standard input. That makes nothing and costs nothing.
checkOffered() {
	local template=$work/offered.json said
	jq --arg type "$2" --arg name "$3" --arg version "$4" --arg location "$LOCATION" '{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", contentVersion: "1.0.0.0",
		resources: [{type: $type, name: $name, apiVersion: $version} + (if .properties.agentPoolProfiles or .properties.containers then {location: $location} else {} end) + .]}' >"$template"
	set -- "$1" az deployment group validate --resource-group "$RESOURCE_GROUP" --template-file "$template" --query error.message --output tsv
	if [[ $dry ]]; then printCommand "${@:2}"; return; fi
	if "${@:2}" >"$work/answer" 2>"$work/said"; then
		said=$(<"$work/answer")
		if [[ -z $said ]]; then return; fi
		printf '%s\n' "$said" >"$work/said"
	fi
	said=$(<"$work/said")
	# Not signed in, no right to ask, no answer: none of it says anything about the region.
	if [[ ! $said =~ InvalidTemplateDeployment|[Nn]ot\ ?[Aa]vailable|[Nn]ot\ ?[Ss]upported|NoRegisteredProviderFound || $said =~ AADSTS|az\ login|[Aa]uthoriz ]]; then
		explain "having Azure validate $1 in $LOCATION" "$work/said"
	fi
	fail "Azure's validation refuses $1 in $LOCATION: $said" \
		"set another LOCATION or PLATFORM (docs/platforms.md says what is offered where), then run deploy/azure/$stage again; nothing is billed for it, and deploy/azure/all down deletes what exists"
}

# The regions that are documented to have confidential container groups (docs/platforms.md).
regions=(centralindia eastasia eastus eastus2 germanywestcentral italynorth japaneast northeurope southcentralus southeastasia switzerlandnorth uaenorth westeurope westus westus2)

# checkContainerGroups: has Azure validate a confidential container group, and says so if the region is not a documented
# one.
checkContainerGroups() {
	checkOffered "a confidential container group" Microsoft.ContainerInstance/containerGroups kafka-e2ee-offered 2023-05-01 <<-END
		{"properties": {"sku": "Confidential", "osType": "Linux", "containers": [
			{"name": "probe", "properties": {"image": "$(sidecarImage)", "resources": {"requests": {"cpu": 1, "memoryInGB": 1}}}}]}}
	END
	if [[ ! $dry && " ${regions[*]} " != *" $LOCATION "* ]]; then
		info "$LOCATION is not in the documented list of regions with confidential container groups (docs/platforms.md); Azure's validation has no objection, but may not look at that: if making one fails, set another LOCATION"
	fi
}

# checkKataNodes: has Azure validate nodes with the runtime of kata-cc. Only versions of its interface that are
# previews have known it, and they come and go: this takes the newest.
checkKataNodes() {
	local pool version
	require "looking for the newest preview of AKS" az provider show --namespace Microsoft.ContainerService \
		--query "resourceTypes[?resourceType=='managedClusters'].apiVersions[] | [?contains(@, 'preview')] | [0]" --output tsv
	version=$answer
	pool=$(jq -n --arg size "$NODE_SIZE" --argjson count "$NODE_COUNT" '{count: $count, vmSize: $size, mode: "System", osType: "Linux", osSKU: "AzureLinux", workloadRuntime: "KataCcIsolation"}')
	if [[ $CLUSTER_IS == existing ]]; then
		jq '{properties: .}' <<<"$pool" | checkOffered "nodes with the runtime KataCcIsolation" Microsoft.ContainerService/managedClusters/agentPools "$CLUSTER/$NODE_POOL" "$version"
	else
		jq --arg name "$NODE_POOL" --arg cluster "$CLUSTER" '{identity: {type: "SystemAssigned"}, properties: {dnsPrefix: $cluster, agentPoolProfiles: [. + {name: $name}]}}' <<<"$pool" |
			checkOffered "nodes with the runtime KataCcIsolation, whose preview was ended in March 2026," Microsoft.ContainerService/managedClusters "$CLUSTER" "$version"
	fi
}
