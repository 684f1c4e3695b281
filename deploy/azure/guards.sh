# What clean-up deletes in a cluster, and what it must not. 15-clean-up.sh sources this
# file; it is not a program.
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
