#!/usr/bin/env bash
# The identity of the consumer's pod: a managed identity that the service account
# kafka/workload-identity-sa of this cluster, and no other, can act as. Costs nothing.
. "$(dirname "$0")/lib.sh"
subscription

look "looking for the identity" az identity list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv
if ! listed "$IDENTITY"; then
	record identity "$RESOURCE_GROUP" "$IDENTITY"
	change "making the identity $IDENTITY" az identity create --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --location "$LOCATION"
fi
need "looking for the client id" az identity show --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --query clientId --output tsv
keep identity-client-id "$answer"

need "looking for the cluster's issuer" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query oidcIssuerProfile.issuerUrl --output tsv
issuer=$answer
credential=kafka-e2ee-$CLUSTER
look "looking for the federation" az identity federated-credential list --resource-group "$RESOURCE_GROUP" --identity-name "$IDENTITY" --query "[?name=='$credential'].issuer" --output tsv
if [[ -z $answer ]]; then
	record credential "$RESOURCE_GROUP" "$IDENTITY" "$credential"
	change "federating it with the service account" az identity federated-credential create --resource-group "$RESOURCE_GROUP" --identity-name "$IDENTITY" --name "$credential" \
		--issuer "$issuer" --subject system:serviceaccount:kafka:workload-identity-sa --audiences api://AzureADTokenExchange
elif [[ $answer != "$issuer" ]]; then
	fail "the federation $credential is with another cluster's issuer" "az identity federated-credential delete --resource-group $RESOURCE_GROUP --identity-name $IDENTITY --name $credential; then run this again"
fi
say "the identity $IDENTITY belongs to the service account workload-identity-sa"
