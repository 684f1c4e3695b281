#!/usr/bin/env bash
# Creates the managed identity of the consumer's pod. Only the service account
# kafka/workload-identity-sa of this cluster can use it. Costs nothing.
. "$(dirname "$0")/lib.sh"
checkSubscription

query "looking for the identity" az identity list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv
if ! listed "$IDENTITY"; then
	record identity "$RESOURCE_GROUP" "$IDENTITY"
	run "making the identity $IDENTITY" az identity create --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --location "$LOCATION"
fi
require "looking for the client id" az identity show --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --query clientId --output tsv
save identity-client-id "$answer"

require "looking for the cluster's issuer" az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query oidcIssuerProfile.issuerUrl --output tsv
issuer=$answer
subject=system:serviceaccount:kafka:workload-identity-sa
audience=api://AzureADTokenExchange
credential=kafka-e2ee-$CLUSTER
query "looking for the federation" az identity federated-credential list --resource-group "$RESOURCE_GROUP" --identity-name "$IDENTITY" --query "[?name=='$credential'].join(' ', [issuer, subject, audiences[0]])" --output tsv
if [[ -z $answer ]]; then
	record credential "$RESOURCE_GROUP" "$IDENTITY" "$credential"
	run "federating it with the service account" az identity federated-credential create --resource-group "$RESOURCE_GROUP" --identity-name "$IDENTITY" --name "$credential" \
		--issuer "$issuer" --subject "$subject" --audiences "$audience"
elif [[ $answer != "$issuer $subject $audience" ]]; then
	fail "the federation $credential belongs to another cluster's issuer, or to another service account" "az identity federated-credential delete --resource-group $RESOURCE_GROUP --identity-name $IDENTITY --name $credential; then run this again"
fi
report "the identity $IDENTITY belongs to the service account workload-identity-sa" "make the identity $IDENTITY, for the service account workload-identity-sa"
