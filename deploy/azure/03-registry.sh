#!/usr/bin/env bash
# Creates the registry, pushes the images, and lets the cluster's nodes pull them
# (container-group: 04-identity.sh lets the groups' identities).
# Later stages pin the images by digest.
# Costs: a registry of tier Basic for as long as it exists, and its storage.
. "$(dirname "$0")/lib.sh"
checkSubscription

query "looking for the registry" az acr list --query '[].name' --output tsv
if ! listed "$REGISTRY"; then
	record registry "$RESOURCE_GROUP" "$REGISTRY"
	run "making the registry $REGISTRY" az acr create --resource-group "$RESOURCE_GROUP" --name "$REGISTRY" --location "$LOCATION" --sku Basic
fi
run "signing in to the registry" az acr login --name "$REGISTRY"

# The confidential machines are amd64, whatever this machine is.
export DOCKER_DEFAULT_PLATFORM=linux/amd64
query "looking for images" az acr repository list --name "$REGISTRY" --output tsv
repositories=$answer built=
for program in producer consumer; do
	image=kafka-e2ee/$program
	answer=
	if grep -qxF "$image" <<<"$repositories"; then
		query "looking for tags" az acr repository show-tags --name "$REGISTRY" --repository "$image" --output tsv
	fi
	if ! grep -qxF -- "$IMAGE_TAG" <<<"$answer"; then
		[[ $built ]] || run "building the images" env "TAG=$IMAGE_TAG" "$here/../images"
		built=1
		run "tagging $image:$IMAGE_TAG" docker tag "$image:$IMAGE_TAG" "$server/$image:$IMAGE_TAG"
		record image "$REGISTRY" "$image:$IMAGE_TAG"
		run "pushing $image:$IMAGE_TAG" docker push "$server/$image:$IMAGE_TAG"
	else
		info "$image:$IMAGE_TAG exists already; another IMAGE_TAG builds new images"
	fi
	require "looking for the digest" az acr repository show --name "$REGISTRY" --image "$image:$IMAGE_TAG" --query digest --output tsv
	save "$program-image" "$server/$image@$answer"
done

if [[ $group ]]; then
	report "the images are in $server" "put the images into $server"
	exit
fi
require "looking for the nodes' identity" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query identityProfile.kubeletidentity.objectId --output tsv
nodes=$answer
require "looking for the registry's id" az acr show --name "$REGISTRY" --query id --output tsv
grant "the cluster's nodes" AcrPull "$nodes" ServicePrincipal "$answer"
report "the images are in $server, and the nodes may pull them" "put the images into $server, and let the nodes pull them"
