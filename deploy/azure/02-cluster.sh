#!/usr/bin/env bash
# The cluster: a new one, or a node pool with confidential containers in yours.
# Costs: NODE_COUNT machines of NODE_SIZE for as long as they run.
. "$(dirname "$0")/lib.sh"
subscription

look "looking for the resource group" az group exists --name "$RESOURCE_GROUP"
if [[ $answer != true ]]; then
	record group "$RESOURCE_GROUP"
	change "making the resource group $RESOURCE_GROUP" az group create --name "$RESOURCE_GROUP" --location "$LOCATION"
fi

target=(--resource-group "$RESOURCE_GROUP" --name "$CLUSTER")
nodes=(--node-count "$NODE_COUNT" --node-vm-size "$NODE_SIZE" --os-sku AzureLinux --workload-runtime KataCcIsolation)
look "looking for the cluster" az aks list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv
if [[ $CLUSTER_IS == new ]]; then
	if ! listed "$CLUSTER"; then
		record cluster "$RESOURCE_GROUP" "$CLUSTER"
		# Nobody has to log in to the nodes, so there is no SSH key.
		change "making the cluster $CLUSTER, which takes minutes" az aks create "${target[@]}" --location "$LOCATION" --nodepool-name "$NODE_POOL" \
			"${nodes[@]}" ${KUBERNETES_VERSION:+--kubernetes-version "$KUBERNETES_VERSION"} --enable-oidc-issuer --enable-workload-identity --no-ssh-key
	elif ! made cluster "$RESOURCE_GROUP" "$CLUSTER"; then
		fail "the cluster $CLUSTER is there, and was not made here" "CLUSTER_IS=existing adds a node pool to it; or set another CLUSTER"
	fi
else
	[[ $dry ]] || listed "$CLUSTER" || fail "there is no cluster $CLUSTER in $RESOURCE_GROUP" "correct CLUSTER and RESOURCE_GROUP, or set CLUSTER_IS=new"
	look "looking for the node pool" az aks nodepool list --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --query '[].name' --output tsv
	if ! listed "$NODE_POOL"; then
		record nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"
		change "adding the node pool $NODE_POOL, which takes minutes" az aks nodepool add --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --name "$NODE_POOL" \
			"${nodes[@]}" ${KUBERNETES_VERSION:+--kubernetes-version "$KUBERNETES_VERSION"}
	elif ! made nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"; then
		fail "the cluster has a node pool $NODE_POOL already, which was not made here" "set another NODE_POOL"
	fi
	# This stays when the rest is deleted: an issuer cannot be switched off.
	look "looking for the issuer" az aks show "${target[@]}" --query 'oidcIssuerProfile.enabled && securityProfile.workloadIdentity.enabled' --output tsv
	if [[ $answer != true && $answer != True ]]; then
		change "switching on the issuer and workload identity" az aks update "${target[@]}" --enable-oidc-issuer --enable-workload-identity
	fi
fi

change "getting the cluster's credentials, into a file of their own" az aks get-credentials "${target[@]}" --file "$KUBECONFIG" --overwrite-existing
look "looking for the runtime class" kubectl get runtimeclass kata-cc-isolation --ignore-not-found --output name
[[ $dry || -n $answer ]] || fail "the cluster has no runtime class kata-cc-isolation" "the preview may have ended for this Kubernetes: set an older KUBERNETES_VERSION (az aks get-versions --location $LOCATION), or take another platform"
say "the cluster $CLUSTER is ready: export KUBECONFIG=$KUBECONFIG"
