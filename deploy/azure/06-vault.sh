#!/usr/bin/env bash
# Creates the vault, and gives you roles in it. Costs: a vault nothing by itself (its
# keys do, by month and operation); a Managed HSM by the hour until it is purged.
#
# The article gives both roles to the person and to the pod. These are fewer:
#   you, on the vault     Key Vault Crypto Officer   makes and deletes the key
#   you, on the vault     Key Vault Crypto User      the article's; encrypts and verifies with it
#   the pod, on the key   Key Vault Crypto Service Release User, in 09-key.sh; only this role releases
# A Managed HSM does not use Azure's roles. Its administrators assign its local roles:
#   you, on /keys         Managed HSM Crypto User    makes, reads and deletes keys
#   you, on /             Managed HSM Crypto Officer purges a deleted key
#   the pod, on the key   Managed HSM Crypto Service Release User
. "$(dirname "$0")/lib.sh"
checkSubscription

you=$PRINCIPAL type=ServicePrincipal
if [[ -z $you ]]; then
	require "looking for your object id" az ad signed-in-user show --query id --output tsv
	you=$answer type=User
fi

if [[ $hsm ]]; then
	require "looking for the Managed HSM" az keyvault show --hsm-name "$vault" --query properties.provisioningState --output tsv
	for pair in "Managed HSM Crypto User:/keys" "Managed HSM Crypto Officer:/"; do
		role=${pair%:*} scope=${pair#*:}
		query "looking for the role $role" az keyvault role assignment list "${vaultFlags[@]}" --role "$role" --assignee-object-id "$you" --scope "$scope" --query '[].id' --output tsv
		if [[ -z $answer ]]; then
			record hsm-role "$vault" "$role" "$you" "$scope"
			run "giving you the role $role" az keyvault role assignment create "${vaultFlags[@]}" --role "$role" --assignee-object-id "$you" --assignee-principal-type "$type" --scope "$scope"
		fi
	done
else
	query "looking for the vault" az keyvault list --resource-type vault --query '[].name' --output tsv
	if ! listed "$vault"; then
		record vault "$RESOURCE_GROUP" "$vault" "$LOCATION"
		run "making the vault $vault" az keyvault create --resource-group "$RESOURCE_GROUP" --name "$vault" --location "$LOCATION" --sku premium --enable-rbac-authorization true --retention-days 7
	fi
	require "looking at the vault" az keyvault show --name "$vault" --query "[properties.sku.name, to_string(properties.enableRbacAuthorization), id]" --output tsv
	if [[ ! $dry ]]; then
		{ read -r sku; read -r rbac; read -r answer; } <<<"$answer"
		[[ $sku == premium ]] || fail "the vault $vault is of tier $sku, which has no hardware keys" "az keyvault update --name $vault --sku premium, or set another VAULT_HOST"
		[[ $rbac == true ]] || fail "the vault $vault uses access policies, not roles" "set another VAULT_HOST, or switch it to roles (az keyvault update --name $vault --enable-rbac-authorization true), which revokes its access policies"
	fi
	scope=$answer
	grant you "Key Vault Crypto Officer" "$you" "$type" "$scope"
	grant you "Key Vault Crypto User" "$you" "$type" "$scope"
fi

[[ $dry ]] || info "waiting until your roles work, which takes minutes, and up to 24 hours"
await "waiting for your roles in the vault" 'ForbiddenByRbac|not authorized' az keyvault key list "${vaultFlags[@]}" --query 'length(@)' --output tsv
report "you may make keys in $VAULT_HOST" "give you the roles to make keys in $VAULT_HOST, and wait until they work"
