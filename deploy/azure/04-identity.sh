#!/usr/bin/env bash
# Creates the managed identity of the consumer. In a cluster only the service account
# kafka/workload-identity-sa of this cluster can use it; on container-group the group
# has it, and pulls its images with it. The producer gets an identity of its own
# where it needs one: with the consumer's it could ask for the key. Costs nothing.
. "$(dirname "$0")/lib.sh"
checkSubscription

# makeIdentity NAME PREFIX: makes an identity, and saves its client id, principal and id with that prefix.
makeIdentity() {
	local property
	makeListed identity "$1" "the identity $1" az identity list --resource-group "$RESOURCE_GROUP" -- \
		az identity create --resource-group "$RESOURCE_GROUP" --name "$1" --location "$LOCATION"
	for property in clientId principalId id; do
		require "looking for the $property of $1" az identity show --resource-group "$RESOURCE_GROUP" --name "$1" --query "$property" --output tsv
		case $property in
		clientId) save "$2-client-id" "$answer" ;;
		principalId) save "$2-principal" "$answer" ;;
		id) save "$2-id" "$answer" ;;
		esac
	done
}

# federate NAME ACCOUNT: lets pods of the service account use the identity.
federate() {
	local issuer subject=system:serviceaccount:kafka:$2 audience=api://AzureADTokenExchange credential=kafka-e2ee-$CLUSTER
	require "looking for the cluster's issuer" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query oidcIssuerProfile.issuerUrl --output tsv
	issuer=$answer
	query "looking for the federation" az identity federated-credential list --resource-group "$RESOURCE_GROUP" --identity-name "$1" --query "[?name=='$credential'].join(' ', [issuer, subject, audiences[0]])" --output tsv
	if [[ -z $answer ]]; then
		record credential "$RESOURCE_GROUP" "$1" "$credential"
		run "federating $1 with the service account $2" az identity federated-credential create --resource-group "$RESOURCE_GROUP" --identity-name "$1" --name "$credential" \
			--issuer "$issuer" --subject "$subject" --audiences "$audience"
	elif [[ $answer != "$issuer $subject $audience" ]]; then
		fail "the federation $credential belongs to another cluster's issuer, or to another service account" "az identity federated-credential delete --resource-group $RESOURCE_GROUP --identity-name $1 --name $credential; then run this again"
	fi
}

# letPull PREFIX: lets an identity pull images.
letPull() {
	load "$1-principal" 04-identity.sh
	local principal=$answer
	require "looking for the registry's id" az acr show --name "$REGISTRY" --query id --output tsv
	grant "the $1's identity" AcrPull "$principal" ServicePrincipal "$answer"
}

makeIdentity "$IDENTITY" consumer
if [[ $group || $KAFKA == event-hubs ]]; then makeIdentity "$IDENTITY-producer" producer; fi
if [[ $group ]]; then
	letPull consumer
	letPull producer
	report "the identities $IDENTITY and $IDENTITY-producer are for the container groups" "make the identities $IDENTITY and $IDENTITY-producer, for the container groups"
else
	federate "$IDENTITY" workload-identity-sa
	if [[ $KAFKA == event-hubs ]]; then federate "$IDENTITY-producer" kafka-producer; fi
	report "the identity $IDENTITY belongs to the service account workload-identity-sa" "make the identity $IDENTITY, for the service account workload-identity-sa"
fi
