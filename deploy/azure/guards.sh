# What clean-up deletes in a cluster and with the resources that hold others, and what it
# must not. 15-clean-up.sh sources this file; it is not a program.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

# clusterToo: whether clean-up deletes the whole cluster, because these scripts made it.
clusterToo() { grep -q '^cluster	' "$state/made"; }
# runInCluster WHAT COMMAND...: runs the command unless clean-up deletes the whole cluster.
runInCluster() { if ! clusterToo; then run "$@"; fi; }

# holdsOnlyOurs WHAT DELETE KUBECTL-ARGUMENTS...: fails if kubectl lists an object that these scripts did not make. DELETE
# is the command with which a user deletes everything. In a namespace those are not counted that every namespace has,
# that are being deleted, or whose owner is in the same list, and so is counted. Everywhere (--all-namespaces) each
# counts, because what owns it may be in no list. Kubernetes deletes objects soon after their owner, so it waits for
# those. kubectl reads whole objects for this, Secrets too; it prints these columns only.
holdsOnlyOurs() {
	local others all='' tries=6
	if [[ " $* " == *' --all-namespaces '* ]]; then all=1; fi
	while true; do
		query "looking for what $1 holds" kubectl get "${@:3}" --ignore-not-found --no-headers \
			--output 'custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,UID:.metadata.uid,OWNERS:.metadata.ownerReferences[*].uid,DELETED:.metadata.deletionTimestamp'
		others=$(awk -v all="$all" '
			{ line[NR] = $1 " " $2 "/" $3; listed[$4]; owners[NR] = $5; deleted[NR] = $6 }
			END { for (i = 1; i <= NR; i++) {
				n = split(owners[i], uids, ","); owned = 0
				for (j = 1; j <= n; j++) if (uids[j] in listed) owned = 1
				if (all || !owned && deleted[i] == "<none>") print line[i] (owners[i] == "<none>" && deleted[i] == "<none>" ? "" : " (owned or being deleted)")
			} }' <<<"$answer" |
			grep -vE '^( /|(ConfigMap .*/kube-root-ca\.crt|ServiceAccount .*/default|Lease .*/strimzi-cluster-operator|(Event|Endpoints|EndpointSlice|PodMetrics) .*))( \(.*)?$' || true)
		if [[ -z $others ]]; then return; fi
		if ((--tries == 0)) || grep -qvF ' (owned or being deleted)' <<<"$others"; then break; fi
		sleep "${POLL_SECONDS:-10}"
	done
	fail "$1 still holds objects that were not made by these scripts: ${others//$'\n'/, }" "delete or move them, then run this again; or delete everything yourself: $2"
}

# deleteStrimzi: deletes the operator, and its roles in the whole cluster, which have fixed names. Others' objects need
# an operator, if only to be deleted, and others' operators need the roles.
deleteStrimzi() {
	local what name others ours=()
	if clusterToo; then return; fi
	query "looking for Strimzi's definitions" kubectl get crd --output name
	while IFS=$'\t' read -r what name; do
		if [[ $what == crd ]] && { [[ $dry ]] || listed "customresourcedefinition.apiextensions.k8s.io/$name"; }; then ours+=("$name"); fi
	done <"$state/made"
	name=$(IFS=,; echo "${ours[*]}")
	if [[ $name ]]; then holdsOnlyOurs "the cluster" "kubectl delete crd ${ours[*]}" "$name" --all-namespaces; fi
	query "looking for other operators of Strimzi" kubectl get deployments --all-namespaces --selector app=strimzi --ignore-not-found --no-headers \
		--output custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name
	others=$(awk '$0 && $1 != "kafka" { print $1 "/" $2 }' <<<"$answer")
	[[ -z $others ]] || fail "another operator of Strimzi uses the roles that these scripts made in the cluster: ${others//$'\n'/, }" \
		"delete or move it, then run this again; or keep the roles: remove the line strimzi from $state/made"
	[[ ! -e $state/strimzi.yaml ]] || run "deleting Strimzi" kubectl -n kafka delete --ignore-not-found -f "$state/strimzi.yaml"
}

# deleteDefinition NAME: deletes a definition. That deletes its objects in the whole cluster, so there must be none.
deleteDefinition() {
	if clusterToo; then return; fi
	query "looking for the definition" kubectl get crd "$1" --ignore-not-found --output name
	if [[ ! $dry && -z $answer ]]; then alreadyGone "the definition $1"; return; fi
	holdsOnlyOurs "the definition $1" "kubectl delete crd $1" "$1" --all-namespaces
	run "deleting the definition $1" kubectl delete crd "$1" --ignore-not-found
}

# deleteNamespace NAME: deletes a namespace, if nothing is left in it.
deleteNamespace() {
	if clusterToo; then return; fi
	query "looking for the namespace" kubectl get namespace "$1" --ignore-not-found --output name
	if [[ ! $dry && -z $answer ]]; then alreadyGone "the namespace $1"; return; fi
	require "looking for the kinds of objects" kubectl api-resources --verbs=list --namespaced --output name
	holdsOnlyOurs "the namespace $1" "kubectl delete namespace $1" "$(paste -sd, <<<"$answer")" -n "$1"
	run "deleting the namespace $1" kubectl delete namespace "$1" --ignore-not-found
}

# isEmpty WHAT DELETE NAMES: fails if there are names: what these scripts made in it is deleted by now. DELETE is the
# command with which a user deletes everything.
isEmpty() {
	[[ -z $3 ]] || fail "$1 still holds what was not made by these scripts: ${3//$'\n'/, }" "delete or move it, then run this again; or delete everything yourself: $2"
}

# vaultIsEmpty GROUP VAULT: fails if a vault holds a key or a secret; a certificate has both. Your roles in the vault are
# revoked by now, so it asks Azure's management, which shows names to whoever may delete the vault.
vaultIsEmpty() {
	local kind held=''
	for kind in keys secrets; do
		query "looking for other $kind in the vault" az rest --method get --resource https://management.azure.com/ --query 'value[].name' --output tsv \
			--url "https://management.azure.com/subscriptions/$SUBSCRIPTION/resourceGroups/$1/providers/Microsoft.KeyVault/vaults/$2/$kind?api-version=2023-07-01"
		held+=${answer:+$answer$'\n'}
	done
	isEmpty "the vault $2" "az keyvault delete --name $2" "$(sort -u <<<"${held%$'\n'}")"
}

# registryIsEmpty REGISTRY: fails if a registry holds images under other names, or with other tags. What has no tag in
# our names are parts of our images.
registryIsEmpty() {
	local image held
	query "looking for other images in the registry" az acr repository list --name "$1" --output tsv
	held=$(grep -vxE 'kafka-e2ee/(consumer|producer)' <<<"$answer" || true)
	for image in $(grep -xE 'kafka-e2ee/(consumer|producer)' <<<"$answer" || true); do
		query "looking for other tags of $image" az acr repository show-tags --name "$1" --repository "$image" --output tsv
		if [[ $answer ]]; then held+=${held:+$'\n'}$image:${answer//$'\n'/$'\n'$image:}; fi
	done
	isEmpty "the registry $1" "az acr delete --name $1" "$held"
}
