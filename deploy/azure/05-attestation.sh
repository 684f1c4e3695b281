#!/usr/bin/env bash
# The attestation provider: a shared one as it is, or one of your own. The key's
# release policy names it, so whoever can change it can have the key. Costs nothing.
. "$(dirname "$0")/lib.sh"
subscription

host=$ATTESTATION_HOST
if [[ -z $host ]]; then
	look "looking for the attestation provider" az resource list --resource-group "$RESOURCE_GROUP" --resource-type Microsoft.Attestation/attestationProviders --query '[].name' --output tsv
	if ! listed "$ATTESTATION_NAME"; then
		record attestation "$RESOURCE_GROUP" "$ATTESTATION_NAME"
		change "making the attestation provider $ATTESTATION_NAME" az attestation create --resource-group "$RESOURCE_GROUP" --name "$ATTESTATION_NAME" --location "$LOCATION"
	fi
	need "looking for its address" az attestation show --resource-group "$RESOURCE_GROUP" --name "$ATTESTATION_NAME" --query attestUri --output tsv
	host=${answer#https://}
	host=${host%/}
fi
# A name that is mistyped shows here, and not when the key is refused.
need "asking https://$host/certs for the signing keys" curl --fail --silent --show-error --max-time 60 "https://$host/certs"
keep attestation-host "$host"
say "tokens come from $host"
