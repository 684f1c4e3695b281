#!/usr/bin/env bash
# The registry: made, filled with our images, and open to the cluster's nodes.
# The images are pinned by digest from here on.
# Costs: one registry of tier Basic for as long as it is there, and its storage.
. "$(dirname "$0")/lib.sh"
subscription

look "looking for the registry" az acr list --query '[].name' --output tsv
if ! listed "$REGISTRY"; then
	record registry "$RESOURCE_GROUP" "$REGISTRY"
	change "making the registry $REGISTRY" az acr create --resource-group "$RESOURCE_GROUP" --name "$REGISTRY" --location "$LOCATION" --sku Basic
fi
change "signing in to the registry" az acr login --name "$REGISTRY"

# The machines are AMD's, whatever this one is.
export DOCKER_DEFAULT_PLATFORM=linux/amd64
look "looking for images" az acr repository list --name "$REGISTRY" --output tsv
repositories=$answer built=
for program in producer consumer; do
	image=kafka-e2ee/$program
	answer=
	if grep -qxF "$image" <<<"$repositories"; then
		look "looking for tags" az acr repository show-tags --name "$REGISTRY" --repository "$image" --output tsv
	fi
	if ! grep -qxF -- "$IMAGE_TAG" <<<"$answer"; then
		[[ $built ]] || change "building the images" env "TAG=$IMAGE_TAG" "$here/../images"
		built=1
		change "naming $image:$IMAGE_TAG" docker tag "$image:$IMAGE_TAG" "$server/$image:$IMAGE_TAG"
		record image "$REGISTRY" "$image:$IMAGE_TAG"
		change "pushing $image:$IMAGE_TAG" docker push "$server/$image:$IMAGE_TAG"
	else
		say "$image:$IMAGE_TAG is there already; another IMAGE_TAG builds anew"
	fi
	need "looking for the digest" az acr repository show --name "$REGISTRY" --image "$image:$IMAGE_TAG" --query digest --output tsv
	keep "$program-image" "$server/$image@$answer"
done

need "looking who the nodes are" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query identityProfile.kubeletidentity.objectId --output tsv
nodes=$answer
need "looking for the registry's id" az acr show --name "$REGISTRY" --query id --output tsv
grant "the cluster's nodes" AcrPull "$nodes" ServicePrincipal "$answer"
say "the images are in $server, and the nodes may pull them"
