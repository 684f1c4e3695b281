#!/usr/bin/env bash
# Creates the resource group, and what the platform needs in it: for
# confidential-aci a cluster with virtual nodes, for kata-cc a cluster with
# confidential machines or a node pool in yours, for container-group nothing.
# Before anything is billed it has Azure validate that.
# Costs: NODE_COUNT machines of NODE_SIZE for as long as they run; with virtual
# nodes a NAT gateway; on container-group nothing.
. "$(dirname "$0")/lib.sh"
. "$here/offered.sh"
. "$here/virtual-nodes.sh"
checkSubscription

query "looking for the resource group" az group exists --name "$RESOURCE_GROUP"
if [[ $answer != true ]]; then
	record group "$RESOURCE_GROUP"
	run "making the resource group $RESOURCE_GROUP" az group create --name "$RESOURCE_GROUP" --location "$LOCATION"
fi

if [[ $PLATFORM != kata-cc ]]; then checkContainerGroups; fi
if [[ $group ]]; then
	save page-domain "$LOCATION.azurecontainer.io"
	report "the resource group $RESOURCE_GROUP is there, and Azure's validation has no objection to a confidential container group in $LOCATION" "make the resource group $RESOURCE_GROUP, and have Azure validate a confidential container group in $LOCATION"
	exit
fi

target=(--resource-group "$RESOURCE_GROUP" --name "$CLUSTER")
# Nobody needs to log in to the nodes, so there is no SSH key. Without a network policy engine every pod reaches the page,
# whatever SOURCE_RANGE says.
create=(az aks create "${target[@]}" --location "$LOCATION" --nodepool-name "$NODE_POOL" --node-count "$NODE_COUNT" --node-vm-size "$NODE_SIZE"
	${KUBERNETES_VERSION:+--kubernetes-version "$KUBERNETES_VERSION"} --enable-oidc-issuer --enable-workload-identity --no-ssh-key --network-plugin azure --network-policy calico)
kata=(--os-sku AzureLinux --workload-runtime KataCcIsolation)
query "looking for the cluster" az aks list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv
if [[ $CLUSTER_IS == new ]]; then
	if ! listed "$CLUSTER"; then
		if [[ $PLATFORM == kata-cc ]]; then
			checkKataNodes
			create+=("${kata[@]}" --network-plugin-mode overlay)
		else
			makeNetwork
			require "looking for the nodes' subnet" az network vnet subnet show --resource-group "$RESOURCE_GROUP" --vnet-name "$network" --name aks --query id --output tsv
			# Virtual nodes need pods with addresses of the network, and services with others.
			create+=(--vnet-subnet-id "$answer" --service-cidr 172.16.0.0/16 --dns-service-ip 172.16.0.10)
		fi
		record cluster "$RESOURCE_GROUP" "$CLUSTER"
		run "making the cluster $CLUSTER, which takes minutes" "${create[@]}"
	elif ! recorded cluster "$RESOURCE_GROUP" "$CLUSTER"; then
		fail "the cluster $CLUSTER exists already, and was not made by these scripts" "CLUSTER_IS=existing uses it; or set another CLUSTER"
	fi
else
	[[ $dry ]] || listed "$CLUSTER" || fail "there is no cluster $CLUSTER in $RESOURCE_GROUP" "correct CLUSTER and RESOURCE_GROUP, or set CLUSTER_IS=new"
	if [[ $PLATFORM == kata-cc ]]; then
		query "looking for the node pool" az aks nodepool list --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --query '[].name' --output tsv
		if ! listed "$NODE_POOL"; then
			checkKataNodes
			record nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"
			run "adding the node pool $NODE_POOL, which takes minutes" az aks nodepool add --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --name "$NODE_POOL" \
				--node-count "$NODE_COUNT" --node-vm-size "$NODE_SIZE" "${kata[@]}" ${KUBERNETES_VERSION:+--kubernetes-version "$KUBERNETES_VERSION"}
		elif ! recorded nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"; then
			fail "the cluster has a node pool $NODE_POOL already, which was not made by these scripts" "set another NODE_POOL"
		fi
	fi
	# Clean-up leaves this on: an issuer cannot be switched off.
	query "looking for the issuer" az aks show "${target[@]}" --query 'oidcIssuerProfile.enabled && securityProfile.workloadIdentity.enabled' --output tsv
	if [[ $answer != true && $answer != True ]]; then
		run "enabling the issuer and workload identity" az aks update "${target[@]}" --enable-oidc-issuer --enable-workload-identity
	fi
fi
# A cluster or pool that Azure is still making, or gave up, is listed like any other.
awaitMade "the cluster $CLUSTER" az aks show "${target[@]}"
ours=''
if [[ $PLATFORM == kata-cc || $CLUSTER_IS == new ]]; then
	ours=1
	awaitMade "the node pool $NODE_POOL" az aks nodepool show --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --name "$NODE_POOL"
fi

run "writing the cluster's credentials to a separate file" az aks get-credentials "${target[@]}" --file "$KUBECONFIG" --overwrite-existing
if [[ $PLATFORM == kata-cc ]]; then
	query "looking for the runtime class" kubectl get runtimeclass kata-cc-isolation --ignore-not-found --output name
	[[ $dry || -n $answer ]] || fail "the cluster has no runtime class kata-cc-isolation: AKS made its nodes, but without this runtime" "deploy/azure/all down deletes what exists, which is billed until then; then take another PLATFORM (docs/platforms.md)"
else
	if [[ $CLUSTER_IS == new ]]; then installVirtualNodes; fi
	awaitVirtualNode
fi
require "looking for the cluster's region" az aks show "${target[@]}" --query location --output tsv
save page-domain "$answer.cloudapp.azure.com"
query "looking for the network policy engine" az aks show "${target[@]}" --query networkProfile.networkPolicy --output tsv
if [[ ! $dry && $PLATFORM == confidential-aci ]]; then
	info "no network policy applies to pods on virtual nodes, so every pod in the cluster reaches the page, whatever SOURCE_RANGE says: the page asks for the password of PAGE_USER"
elif [[ ! $dry && ( -z $answer || ${answer,,} == none ) ]]; then
	info "the cluster enforces no network policies, so every pod in it reaches the page, whatever SOURCE_RANGE says (az aks update --network-policy)"
fi
answer=''
if [[ $ours ]]; then
	require "looking at the node pool" az aks nodepool show --resource-group "$RESOURCE_GROUP" --cluster-name "$CLUSTER" --name "$NODE_POOL" --query "join(' ', [to_string(count), vmSize])" --output tsv
	if [[ ! $dry && ${answer,,} != "$NODE_COUNT ${NODE_SIZE,,}" ]]; then
		info "the node pool does not match NODE_COUNT and NODE_SIZE: az aks nodepool scale changes the count, another NODE_POOL the size"
	fi
fi
report "the cluster $CLUSTER is ready${answer:+, with $answer}: export KUBECONFIG=$KUBECONFIG" "make the cluster $CLUSTER, with $NODE_COUNT $NODE_SIZE, or use yours"
