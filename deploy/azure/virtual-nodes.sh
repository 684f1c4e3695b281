# The network and the installation of virtual nodes on Container Instances.
# 02-cluster.sh sources this file; it is not a program.
# https://github.com/microsoft/virtualnodesOnAzureContainerInstances has its steps; these follow it, with fewer rights.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

network=$CLUSTER-network

# makeNetwork: makes the network, with a subnet for the nodes and one for the container groups. Container groups have no
# way out without a NAT gateway. The steps reserve the first range.
makeNetwork() {
	local in=(--resource-group "$RESOURCE_GROUP")
	makeListed public-ip "$network-address" "the gateway's address" az network public-ip list "${in[@]}" -- \
		az network public-ip create "${in[@]}" --name "$network-address" --location "$LOCATION" --sku Standard --allocation-method Static
	makeListed nat-gateway "$network-gateway" "the gateway" az network nat gateway list "${in[@]}" -- \
		az network nat gateway create "${in[@]}" --name "$network-gateway" --location "$LOCATION" --public-ip-addresses "$network-address"
	makeListed network "$network" "the network" az network vnet list "${in[@]}" -- \
		az network vnet create "${in[@]}" --name "$network" --location "$LOCATION" --address-prefixes 10.0.0.0/14 --subnet-name default --subnet-prefixes 10.0.0.0/24
	query "looking for its subnets" az network vnet subnet list "${in[@]}" --vnet-name "$network" --query '[].name' --output tsv
	local subnets=$answer
	grep -qx aks <<<"$subnets" || run "making the nodes' subnet" az network vnet subnet create "${in[@]}" --vnet-name "$network" --name aks --address-prefixes 10.1.0.0/16
	grep -qx cg <<<"$subnets" || run "making the container groups' subnet" az network vnet subnet create "${in[@]}" --vnet-name "$network" --name cg --address-prefixes 10.2.0.0/16 \
		--delegations Microsoft.ContainerInstance/containerGroups --nat-gateway "$network-gateway"
}

# installVirtualNodes: lets the cluster make container groups, and installs the chart. The steps give the nodes' identity
# Contributor on the whole resource group, which has the vault in it; joining the subnet is enough.
installVirtualNodes() {
	local nodes
	require "looking for the nodes' identity" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query identityProfile.kubeletidentity.objectId --output tsv
	nodes=$answer
	require "looking for the cluster's own resource group" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query nodeResourceGroup --output tsv
	require "looking for its id" az group show --name "$answer" --query id --output tsv
	grant "the cluster's nodes" Contributor "$nodes" ServicePrincipal "$answer"
	require "looking for the subnet's id" az network vnet subnet show --resource-group "$RESOURCE_GROUP" --vnet-name "$network" --name cg --query id --output tsv
	grant "the cluster's nodes" "Network Contributor" "$nodes" ServicePrincipal "$answer"
	run "installing virtual nodes" helm upgrade --install virtualnode virtualnode --repo https://microsoft.github.io/virtualnodesOnAzureContainerInstances/ \
		--version "$VIRTUAL_NODES_VERSION" --namespace vn2 --create-namespace --wait --timeout "${WAIT_MINUTES}m"
}

# awaitVirtualNode: waits until the virtual node is ready for pods.
awaitVirtualNode() {
	if [[ $CLUSTER_IS == existing && ! $dry ]]; then
		query "looking for a virtual node" kubectl get nodes --selector virtualization=virtualnode2 --output name
		[[ -n $answer ]] || fail "the cluster has no virtual nodes on Container Instances" "install them (https://github.com/microsoft/virtualnodesOnAzureContainerInstances), or set CLUSTER_IS=new, which does"
	else
		await "waiting for the virtual node" '^$' kubectl get nodes --selector virtualization=virtualnode2 --output name
	fi
	run "waiting until it is ready" kubectl wait node --selector virtualization=virtualnode2 --for=condition=Ready --timeout "${WAIT_MINUTES}m"
}
