#!/usr/bin/env bash
# The vault, and what you may do in it. Costs: a vault nothing by itself (keys in
# hardware do, by month and operation); a Managed HSM by the hour until it is purged.
#
# Least privilege, where the document gives both roles to person and pod:
#   you, on the vault     Key Vault Crypto Officer   makes and deletes the key
#   you, on the vault     Key Vault Crypto User      the document's; encrypts and verifies with it
#   the pod, on the key   Key Vault Crypto Service Release User, in 09-key.sh; the only one that releases
# A Managed HSM does not know Azure's roles. Its own are given in itself, by its administrators:
#   you, on /keys         Managed HSM Crypto User    makes, reads and deletes keys
#   you, on /             Managed HSM Crypto Officer purges a deleted key
#   the pod, on the key   Managed HSM Crypto Service Release User
. "$(dirname "$0")/lib.sh"
subscription

person=$PRINCIPAL type=ServicePrincipal
if [[ -z $person ]]; then
	need "looking who you are" az ad signed-in-user show --query id --output tsv
	person=$answer type=User
fi

if [[ $VAULT_HOST == *.managedhsm.azure.net ]]; then
	need "looking for the Managed HSM" az keyvault show --hsm-name "$vault" --query properties.provisioningState --output tsv
	place=(--hsm-name "$vault")
	for pair in "Managed HSM Crypto User:/keys" "Managed HSM Crypto Officer:/"; do
		role=${pair%:*} scope=${pair#*:}
		look "looking for the role $role" az keyvault role assignment list "${place[@]}" --role "$role" --assignee-object-id "$person" --scope "$scope" --query '[].id' --output tsv
		if [[ -z $answer ]]; then
			record hsm-role "$vault" "$role" "$person" "$scope"
			change "giving you the role $role" az keyvault role assignment create "${place[@]}" --role "$role" --assignee-object-id "$person" --assignee-principal-type "$type" --scope "$scope"
		fi
	done
else
	place=(--vault-name "$vault")
	look "looking for the vault" az keyvault list --resource-type vault --query '[].name' --output tsv
	if ! listed "$vault"; then
		record vault "$RESOURCE_GROUP" "$vault" "$LOCATION"
		change "making the vault $vault" az keyvault create --resource-group "$RESOURCE_GROUP" --name "$vault" --location "$LOCATION" --sku premium --enable-rbac-authorization true --retention-days 7
	fi
	need "looking at the vault" az keyvault show --name "$vault" --query "[properties.sku.name, to_string(properties.enableRbacAuthorization), id]" --output tsv
	if [[ ! $dry ]]; then
		{ read -r sku; read -r rbac; read -r answer; } <<<"$answer"
		[[ $sku == premium ]] || fail "the vault $vault is of tier $sku, which has no keys in hardware" "az keyvault update --name $vault --sku premium, or set another VAULT_HOST"
		[[ $rbac == true ]] || fail "the vault $vault decides by access policies, not by roles" "set another VAULT_HOST, or move it to roles (az keyvault update --name $vault --enable-rbac-authorization true), which takes away what its policies gave"
	fi
	scope=$answer
	grant you "Key Vault Crypto Officer" "$person" "$type" "$scope"
	grant you "Key Vault Crypto User" "$person" "$type" "$scope"
fi

say "waiting until your roles work, which takes minutes, and up to 24 hours"
await "waiting for your roles in the vault" 'ForbiddenByRbac|not authorized' az keyvault key list "${place[@]}" --query 'length(@)' --output tsv
say "you may make keys in $VAULT_HOST"
