#!/usr/bin/env bash
# Deletes what the stages have made, the last first, and nothing else: whatever the
# record does not name was there before. Safe to run again.
. "$(dirname "$0")/lib.sh"
[[ $dry ]] || [[ -s $state/made ]] || { say "there is nothing that was made here"; exit; }
if [[ -s $state/made ]]; then record=$(tac "$state/made"); else record=; fi
[[ $dry ]] || subscription

gone() { say "$1 is gone already"; }
# inCluster COMMAND...: nothing to do where the whole cluster is going.
inCluster() { if ! grep -q '^cluster	' "$state/made"; then change "$@"; fi; }

# purgeKey PLACE... NAME: unless the vault is yours and forbids it; then the key stays recoverable for as long as the vault says.
purgeKey() {
	local name=$2
	look "looking whether keys can be purged" az keyvault show "${1/--vault-name/--name}" "$name" --query 'to_string(properties.enablePurgeProtection)' --output tsv
	if [[ $answer == true ]]; then
		say "the key $3 is deleted; its vault forbids purging, and drops it when its retention ends"
	else
		change "purging the key $3" az keyvault key purge "$1" "$2" --name "$3"
	fi
}

while IFS=$'\t' read -r -u 3 kind one two three four; do
	case $kind in
	'') ;;
	programs)
		inCluster "deleting consumer and producer" kubectl -n kafka delete deployments,services,serviceaccounts,configmaps,networkpolicies \
			--selector app.kubernetes.io/part-of=kafka-e2ee --ignore-not-found ;;
	kafka)
		# The topic first: while the operator that has to let go of it still runs.
		inCluster "deleting the topic" kubectl -n kafka delete kafkatopics.kafka.strimzi.io kafka-demo-topic --ignore-not-found
		inCluster "deleting Kafka" kubectl delete --ignore-not-found -f "$here/../kubernetes/components/strimzi/kafka.yaml"
		inCluster "deleting its disks" kubectl -n kafka delete persistentvolumeclaim --selector strimzi.io/cluster=my-cluster ;;
	strimzi)
		[[ ! -e $state/strimzi.yaml ]] || inCluster "deleting Strimzi" kubectl -n kafka delete --ignore-not-found -f "$state/strimzi.yaml" ;;
	namespace) inCluster "deleting the namespace $one" kubectl delete namespace "$one" --ignore-not-found ;;
	key)
		look "looking for the key" az keyvault key list "$one" "$two" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$three"; then
			change "deleting the key $three" az keyvault key delete "$one" "$two" --name "$three"
			await "waiting until the key $three is deleted" '^$' az keyvault key list-deleted "$one" "$two" --query "[?name=='$three'].name" --output tsv
		else
			look "looking for it among the deleted" az keyvault key list-deleted "$one" "$two" --query "[?name=='$three'].name" --output tsv
		fi
		if [[ -z $answer ]]; then gone "the key $three"; else purgeKey "$one" "$two" "$three"; fi ;;
	hsm-role)
		look "looking for the role $two" az keyvault role assignment list --hsm-name "$one" --role "$two" --assignee "$three" --scope "$four" --query '[].id' --output tsv
		if [[ $dry || -n $answer ]]; then change "taking back the role $two" az keyvault role assignment delete --hsm-name "$one" --role "$two" --assignee "$three" --scope "$four"; else gone "the role $two"; fi ;;
	role)
		look "looking for the role $one" az role assignment list --role "$one" --assignee "$two" --scope "$three" --query '[].id' --output tsv
		if [[ $dry || -n $answer ]]; then change "taking back the role $one" az role assignment delete --role "$one" --assignee "$two" --scope "$three"; else gone "the role $one"; fi ;;
	vault)
		look "looking for the vault" az keyvault list --resource-type vault --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then change "deleting the vault $two" az keyvault delete --resource-group "$one" --name "$two"; fi
		look "looking for it among the deleted" az keyvault list-deleted --resource-type vault --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then change "purging the vault $two" az keyvault purge --name "$two" --location "$three"; else gone "the vault $two"; fi ;;
	attestation)
		look "looking for the attestation provider" az resource list --resource-group "$one" --resource-type Microsoft.Attestation/attestationProviders --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then change "deleting the attestation provider $two" az attestation delete --resource-group "$one" --name "$two" --yes; else gone "the attestation provider $two"; fi ;;
	credential)
		look "looking for the federation" az identity federated-credential list --resource-group "$one" --identity-name "$two" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$three"; then change "deleting the federation $three" az identity federated-credential delete --resource-group "$one" --identity-name "$two" --name "$three" --yes; else gone "the federation $three"; fi ;;
	identity)
		look "looking for the identity" az identity list --resource-group "$one" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then change "deleting the identity $two" az identity delete --resource-group "$one" --name "$two"; else gone "the identity $two"; fi ;;
	image)
		look "looking for the image" az acr repository list --name "$one" --output tsv
		if listed "${two%:*}"; then look "looking for its tag" az acr repository show-tags --name "$one" --repository "${two%:*}" --output tsv; else answer=; fi
		if [[ $dry ]] || listed "${two##*:}"; then change "deleting the image $two" az acr repository delete --name "$one" --image "$two" --yes; else gone "the image $two"; fi ;;
	registry)
		look "looking for the registry" az acr list --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then change "deleting the registry $two" az acr delete --resource-group "$one" --name "$two" --yes; else gone "the registry $two"; fi ;;
	nodepool)
		look "looking for the node pool" az aks nodepool list --resource-group "$one" --cluster-name "$two" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$three"; then change "deleting the node pool $three" az aks nodepool delete --resource-group "$one" --cluster-name "$two" --name "$three"; else gone "the node pool $three"; fi ;;
	cluster)
		look "looking for the cluster" az aks list --resource-group "$one" --query '[].name' --output tsv
		if [[ $dry ]] || listed "$two"; then change "deleting the cluster $two, which takes minutes" az aks delete --resource-group "$one" --name "$two" --yes; else gone "the cluster $two"; fi ;;
	group)
		look "looking for the resource group" az group exists --name "$one"
		if [[ $dry || $answer == true ]]; then
			look "looking what else is in it" az resource list --resource-group "$one" --query '[].name' --output tsv
			[[ -z $answer ]] || fail "the resource group $one still holds what was not made here: ${answer//$'\n'/, }" "delete or move that, then run this again; or delete the group yourself: az group delete --name $one"
			change "deleting the resource group $one" az group delete --name "$one" --yes
		else gone "the resource group $one"; fi ;;
	*) fail "the record $state/made holds an unknown line: $kind" "it is of another version of these scripts; delete the rest by hand" ;;
	esac
	# What is gone leaves the record, so that the next run goes on here.
	if [[ ! $dry && -n $kind ]]; then sed -i.before '$d' "$state/made"; fi
done 3<<<"$record"
if [[ ! $dry ]]; then rm -rf "$state"; fi
say "everything that was made here is deleted; images of this machine's Docker stay (docker image ls 'kafka-e2ee/*')"
