#!/usr/bin/env bash
# Creates an attestation provider, or checks the shared one that you named. The
# key's release policy trusts it: anyone who controls it can get the key. Costs nothing.
. "$(dirname "$0")/lib.sh"
checkSubscription

host=$ATTESTATION_HOST
if [[ -z $host ]]; then
	query "looking for the attestation provider" az resource list --resource-group "$RESOURCE_GROUP" --resource-type Microsoft.Attestation/attestationProviders --query '[].name' --output tsv
	if ! listed "$ATTESTATION_NAME"; then
		record attestation "$RESOURCE_GROUP" "$ATTESTATION_NAME"
		run "making the attestation provider $ATTESTATION_NAME" az attestation create --resource-group "$RESOURCE_GROUP" --name "$ATTESTATION_NAME" --location "$LOCATION"
	fi
	require "looking for its address" az attestation show --resource-group "$RESOURCE_GROUP" --name "$ATTESTATION_NAME" --query attestUri --output tsv
	host=${answer#https://}
	host=${host%/}
fi
host=${host,,} # the vault compares it with the release policy letter by letter
# A typo in the name shows here, not later as a refused key.
require "asking https://$host/certs for the signing keys" curl --fail --silent --show-error --max-time 60 "https://$host/certs"
save attestation-host "$host"
report "tokens come from $host" "have tokens come from $host"
