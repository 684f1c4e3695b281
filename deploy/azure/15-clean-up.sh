#!/usr/bin/env bash
# Deletes the resources in the record, the newest first, and nothing else. It stops
# before a resource group, a namespace, a definition of Strimzi, a vault, a
# registry, a network or Event Hubs' namespace that holds anything else. A cluster
# that these scripts made goes with everything in it. Safe to run again.
. "$(dirname "$0")/lib.sh"
. "$here/guards.sh"
[[ -s $state/made ]] || { info "there is nothing to delete: the record is empty"; exit; }
record=$(tac "$state/made")
[[ $dry ]] || checkSubscription

alreadyGone() { info "$1 is gone already"; }
# deleteListed NAME WHAT COMMAND...: runs the command if $answer lists the name.
deleteListed() { if [[ $dry ]] || listed "$1"; then run "deleting $2" "${@:3}"; else alreadyGone "$2"; fi; }
# revokeFound ROLE COMMAND...: runs the command if $answer is not empty.
revokeFound() { if [[ $dry || -n $answer ]]; then run "revoking $1" "${@:2}"; else alreadyGone "$1"; fi; }
# purgeKey VAULT-FLAG VAULT NAME: purges a deleted key. If your vault forbids purging, the key stays recoverable for the
# retention time.
purgeKey() {
	local name=$2
	query "looking for purge protection" az keyvault show "${1/--vault-name/--name}" "$name" --query 'to_string(properties.enablePurgeProtection)' --output tsv
	if [[ $answer == true ]]; then
		info "the key $3 is deleted; its vault forbids purging, and drops the key when its retention ends"
	else
		run "purging the key $3" az keyvault key purge "$1" "$2" --name "$3"
	fi
}

while IFS=$'\t' read -r -u 3 kind one two three four; do
	case $kind in
	'') ;;
	programs)
		[[ $dry || -d $state/deployed ]] || clusterToo || fail "$state/deployed has none of the deployed manifests" \
			"delete consumer and producer by hand (deploy/kubernetes/README.md), then remove the line programs from $state/made"
		runInCluster "deleting consumer and producer" kubectl delete --ignore-not-found -f "$state/deployed" ;;
	kafka)
		# The topic first: its deletion needs the running operator.
		runInCluster "deleting the topic" kubectl -n kafka delete kafkatopics.kafka.strimzi.io kafka-demo-topic --ignore-not-found
		runInCluster "deleting Kafka" kubectl delete --ignore-not-found -f "$state/kafka.yaml"
		runInCluster "deleting its pods" kubectl -n kafka delete strimzipodsets.core.strimzi.io --selector strimzi.io/cluster=my-cluster
		runInCluster "deleting its disks" kubectl -n kafka delete persistentvolumeclaim --selector strimzi.io/cluster=my-cluster ;;
	strimzi) deleteStrimzi ;;
	crd) deleteDefinition "$one" ;;
	namespace) deleteNamespace "$one" ;;
	key)
		query "looking for the key" az keyvault key list "$one" "$two" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$three"; then
			run "deleting the key $three" az keyvault key delete "$one" "$two" --name "$three"
			await "waiting until the key $three is deleted" '^$' az keyvault key list-deleted "$one" "$two" --query "[?name=='$three'].name" --output tsv
		else
			query "looking for it among the deleted" az keyvault key list-deleted "$one" "$two" --query "[?name=='$three'].name" --output tsv
		fi
		if [[ -z $answer ]]; then alreadyGone "the key $three"; else purgeKey "$one" "$two" "$three"; fi ;;
	hsm-role)
		query "looking for the role $two" az keyvault role assignment list --hsm-name "$one" --role "$two" --assignee "$three" --scope "$four" --query '[].id' --output tsv
		revokeFound "the role $two" az keyvault role assignment delete --hsm-name "$one" --role "$two" --assignee "$three" --scope "$four" ;;
	role)
		query "looking for the role $one" az role assignment list --role "$one" --assignee "$two" --scope "$three" --query '[].id' --output tsv
		revokeFound "the role $one" az role assignment delete --role "$one" --assignee "$two" --scope "$three" ;;
	vault)
		query "looking for the vault" az keyvault list --resource-type vault --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then
			vaultIsEmpty "$one" "$two"
			run "deleting the vault $two" az keyvault delete --resource-group "$one" --name "$two"
		fi
		query "looking for it among the deleted" az keyvault list-deleted --resource-type vault --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then run "purging the vault $two" az keyvault purge --name "$two" --location "$three"; else alreadyGone "the vault $two"; fi ;;
	attestation)
		query "looking for the attestation provider" az resource list --resource-group "$one" --resource-type Microsoft.Attestation/attestationProviders --query '[].name' --output tsv
		deleteListed "$two" "the attestation provider $two" az attestation delete --resource-group "$one" --name "$two" --yes ;;
	credential)
		query "looking for the federation" az identity federated-credential list --resource-group "$one" --identity-name "$two" --query '[].name' --output tsv
		deleteListed "$three" "the federation $three" az identity federated-credential delete --resource-group "$one" --identity-name "$two" --name "$three" --yes ;;
	identity)
		query "looking for the identity" az identity list --resource-group "$one" --query '[].name' --output tsv
		deleteListed "$two" "the identity $two" az identity delete --resource-group "$one" --name "$two" ;;
	image)
		query "looking for the image" az acr repository list --name "$one" --output tsv
		if listed "${two%:*}"; then query "looking for its tag" az acr repository show-tags --name "$one" --repository "${two%:*}" --output tsv; else answer=; fi
		deleteListed "${two##*:}" "the image $two" az acr repository delete --name "$one" --image "$two" --yes ;;
	registry)
		query "looking for the registry" az acr list --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then
			registryIsEmpty "$two"
			answer=$two
		fi
		deleteListed "$two" "the registry $two" az acr delete --resource-group "$one" --name "$two" --yes ;;
	container-group)
		query "looking for the container group" az container list --resource-group "$one" --query '[].name' --output tsv
		deleteListed "$two" "the container group $two" az container delete --resource-group "$one" --name "$two" --yes ;;
	event-hub)
		query "looking for the namespace" az eventhubs namespace list --resource-group "$one" --query '[].name' --output tsv
		if listed "$two"; then query "looking for the event hub" az eventhubs eventhub list --resource-group "$one" --namespace-name "$two" --query '[].name' --output tsv; else answer=; fi
		deleteListed "$three" "the event hub $three" az eventhubs eventhub delete --resource-group "$one" --namespace-name "$two" --name "$three" ;;
	event-hubs)
		query "looking for the namespace" az eventhubs namespace list --resource-group "$one" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then
			query "looking for other event hubs in it" az eventhubs eventhub list --resource-group "$one" --namespace-name "$two" --query '[].name' --output tsv
			isEmpty "the namespace $two" "az eventhubs namespace delete --resource-group $one --name $two" "$answer"
			answer=$two
		fi
		deleteListed "$two" "the namespace $two" az eventhubs namespace delete --resource-group "$one" --name "$two" ;;
	network)
		query "looking for the network" az network vnet list --resource-group "$one" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then
			query "looking for other subnets in it" az network vnet subnet list --resource-group "$one" --vnet-name "$two" --query "[?name!='default' && name!='aks' && name!='cg'].name" --output tsv
			isEmpty "the network $two" "az network vnet delete --resource-group $one --name $two" "$answer"
			answer=$two
		fi
		deleteListed "$two" "the network $two" az network vnet delete --resource-group "$one" --name "$two" ;;
	nat-gateway)
		query "looking for the gateway" az network nat gateway list --resource-group "$one" --query '[].name' --output tsv
		deleteListed "$two" "the gateway $two" az network nat gateway delete --resource-group "$one" --name "$two" ;;
	public-ip)
		query "looking for the gateway's address" az network public-ip list --resource-group "$one" --query '[].name' --output tsv
		deleteListed "$two" "the gateway's address $two" az network public-ip delete --resource-group "$one" --name "$two" ;;
	nodepool)
		query "looking for the node pool" az aks nodepool list --resource-group "$one" --cluster-name "$two" --query '[].name' --output tsv
		deleteListed "$three" "the node pool $three" az aks nodepool delete --resource-group "$one" --cluster-name "$two" --name "$three" ;;
	cluster)
		query "looking for the cluster" az aks list --resource-group "$one" --query '[].name' --output tsv
		deleteListed "$two" "the cluster $two" az aks delete --resource-group "$one" --name "$two" --yes ;;
	group)
		query "looking for the resource group" az group exists --name "$one"
		if [[ $dry || $answer == true ]]; then
			query "looking for other resources in it" az resource list --resource-group "$one" --query '[].name' --output tsv
			isEmpty "the resource group $one" "az group delete --name $one" "$answer"
			run "deleting the resource group $one" az group delete --name "$one" --yes
		else alreadyGone "the resource group $one"; fi ;;
	*) fail "the record $state/made holds an unknown line: $kind" "another version of these scripts wrote it; delete the rest by hand" ;;
	esac
	# Remove the line from the record, so that the next run continues here.
	if [[ ! $dry && -n $kind ]]; then sed -i.before '$d' "$state/made"; fi
done 3<<<"$record"
if [[ ! $dry ]]; then rm -rf "$state"; fi
report "everything in the record is deleted; the images in this machine's Docker remain (docker image ls 'kafka-e2ee/*')" "delete everything in the record, and nothing else"
