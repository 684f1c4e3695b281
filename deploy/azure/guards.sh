# What clean-up deletes in a cluster, and what it must not. 15-clean-up.sh sources this
# file; it is not a program.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

# clusterToo: whether clean-up deletes the whole cluster, because these scripts made it.
clusterToo() { grep -q '^cluster	' "$state/made"; }
# runInCluster WHAT COMMAND...: runs the command unless clean-up deletes the whole cluster.
runInCluster() { if ! clusterToo; then run "$@"; fi; }

# holdsOnlyOurs WHAT DELETE KUBECTL-ARGUMENTS...: fails if kubectl lists an object that these scripts did not make. DELETE
# is the command with which a user deletes everything. Not counted are objects that have an owner or are being deleted,
# and those that every namespace has. It asks for names only, so it reads no Secret.
holdsOnlyOurs() {
	local others
	query "looking for what $1 holds" kubectl get "${@:3}" --ignore-not-found --no-headers \
		--output custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,OWNER:.metadata.ownerReferences[0].name,DELETED:.metadata.deletionTimestamp
	others=$(awk '$4 == "<none>" && $5 == "<none>" { print $1 " " $2 "/" $3 }' <<<"$answer" |
		grep -vE '^(ConfigMap .*/kube-root-ca\.crt|ServiceAccount .*/default|Lease .*/strimzi-cluster-operator|(Event|Endpoints|EndpointSlice|PodMetrics) .*)$' || true)
	[[ -z $others ]] || fail "$1 still holds objects that were not made by these scripts: ${others//$'\n'/, }" "delete or move them, then run this again; or delete everything yourself: $2"
}

# deleteStrimzi: deletes the operator. Others' objects in its namespace need it, if only to be deleted.
deleteStrimzi() {
	local what name ours=()
	if clusterToo; then return; fi
	query "looking for Strimzi's definitions" kubectl get crd --output name
	while IFS=$'\t' read -r what name; do
		if [[ $what == crd ]] && { [[ $dry ]] || listed "customresourcedefinition.apiextensions.k8s.io/$name"; }; then ours+=("$name"); fi
	done <"$state/made"
	name=$(IFS=,; echo "${ours[*]}")
	if [[ $name ]]; then holdsOnlyOurs "Strimzi's namespace kafka" "kubectl -n kafka delete $name --all" "$name" -n kafka; fi
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
