#!/usr/bin/env bash
# Creates the cluster, or a node pool with confidential containers in yours.
# Costs: NODE_COUNT machines of NODE_SIZE for as long as they run.
. "$(dirname "$0")/lib.sh"
checkSubscription

query "looking for the resource group" az group exists --name "$RESOURCE_GROUP"
if [[ $answer != true ]]; then
	record group "$RESOURCE_GROUP"
	run "making the resource group $RESOURCE_GROUP" az group create --name "$RESOURCE_GROUP" --location "$LOCATION"
fi

target=(--resource-group "$RESOURCE_GROUP" --name "$CLUSTER")
nodes=(--node-count "$NODE_COUNT" --node-vm-size "$NODE_SIZE" --os-sku AzureLinux --workload-runtime KataCcIsolation)
query "looking for the cluster" az aks list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv
if [[ $CLUSTER_IS == new ]]; then
	if ! listed "$CLUSTER"; then
		record cluster "$RESOURCE_GROUP" "$CLUSTER"
		# Nobody needs to log in to the nodes, so there is no SSH key. Without a network policy engine every pod
		# reaches the page, whatever SOURCE_RANGE says.
		run "making the cluster $CLUSTER, which takes minutes" az aks create "${target[@]}" --location "$LOCATION" --nodepool-name "$NODE_POOL" \
			"${nodes[@]}" ${KUBERNETES_VERSION:+--kubernetes-version "$KUBERNETES_VERSION"} --enable-oidc-issuer --enable-workload-identity --no-ssh-key \
			--network-plugin azure --network-plugin-mode overlay --network-policy calico
	elif ! recorded cluster "$RESOURCE_GROUP" "$CLUSTER"; then
		fail "the cluster $CLUSTER exists already, and was not made by these scripts" "CLUSTER_IS=existing adds a node pool to it; or set another CLUSTER"
	fi
else
	[[ $dry ]] || listed "$CLUSTER" || fail "there is no cluster $CLUSTER in $RESOURCE_GROUP" "correct CLUSTER and RESOURCE_GROUP, or set CLUSTER_IS=new"
	query "looking for the node pool" az aks nodepool list --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --query '[].name' --output tsv
	if ! listed "$NODE_POOL"; then
		record nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"
		run "adding the node pool $NODE_POOL, which takes minutes" az aks nodepool add --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --name "$NODE_POOL" \
			"${nodes[@]}" ${KUBERNETES_VERSION:+--kubernetes-version "$KUBERNETES_VERSION"}
	elif ! recorded nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"; then
		fail "the cluster has a node pool $NODE_POOL already, which was not made by these scripts" "set another NODE_POOL"
	fi
	# Clean-up leaves this on: an issuer cannot be switched off.
	query "looking for the issuer" az aks show "${target[@]}" --query 'oidcIssuerProfile.enabled && securityProfile.workloadIdentity.enabled' --output tsv
	if [[ $answer != true && $answer != True ]]; then
		run "enabling the issuer and workload identity" az aks update "${target[@]}" --enable-oidc-issuer --enable-workload-identity
	fi
fi

run "writing the cluster's credentials to a separate file" az aks get-credentials "${target[@]}" --file "$KUBECONFIG" --overwrite-existing
query "looking for the runtime class" kubectl get runtimeclass kata-cc-isolation --ignore-not-found --output name
[[ $dry || -n $answer ]] || fail "the cluster has no runtime class kata-cc-isolation" "the preview may have ended for this Kubernetes: set an older KUBERNETES_VERSION (az aks get-versions --location $LOCATION), or take another platform"
require "looking for the cluster's region" az aks show "${target[@]}" --query location --output tsv
save cluster-location "$answer"
query "looking for the network policy engine" az aks show "${target[@]}" --query networkProfile.networkPolicy --output tsv
if [[ ! $dry && ( -z $answer || ${answer,,} == none ) ]]; then
	info "the cluster enforces no network policies, so every pod in it reaches the page, whatever SOURCE_RANGE says (az aks update --network-policy)"
fi
require "looking at the node pool" az aks nodepool show --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --name "$NODE_POOL" --query "join(' ', [to_string(count), vmSize])" --output tsv
if [[ ! $dry && ${answer,,} != "$NODE_COUNT ${NODE_SIZE,,}" ]]; then
	info "the node pool does not match NODE_COUNT and NODE_SIZE: az aks nodepool scale changes the count, another NODE_POOL the size"
fi
report "the cluster $CLUSTER is ready, with $answer: export KUBECONFIG=$KUBECONFIG" "make the cluster $CLUSTER, with $NODE_COUNT $NODE_SIZE, or add them to yours"
