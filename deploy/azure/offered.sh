# Asks Azure whether it would make what the platform needs, before anything is billed.
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
	if "${@:2}" >"$work/answer" 2>"$work/said"; then said=$(<"$work/answer"); else said=$(<"$work/said"); fi
	[[ -z $said ]] || fail "Azure would not make $1 in $LOCATION: $said" \
		"set another LOCATION or PLATFORM (docs/platforms.md says what is offered where), then run deploy/azure/$stage again; nothing is billed for it, and deploy/azure/all down deletes what exists"
}

# checkContainerGroups: whether the region has confidential container groups.
checkContainerGroups() {
	checkOffered "a confidential container group" Microsoft.ContainerInstance/containerGroups kafka-e2ee-offered 2023-05-01 <<-'END'
		{"properties": {"sku": "Confidential", "osType": "Linux", "containers": [
			{"name": "probe", "properties": {"image": "mcr.microsoft.com/aci/skr:2.12", "resources": {"requests": {"cpu": 1, "memoryInGB": 1}}}}]}}
	END
}

# checkKataNodes: whether AKS still makes nodes with the runtime of kata-cc. Only versions of its interface that are
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
