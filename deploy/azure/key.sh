# Looks for the key, and makes or binds it with the article's script setup-key.sh.
# The stages source this file; it is not a program.
# shellcheck shell=bash disable=SC2154,SC2034 # lib.sh sets the rest; the stages use $ready
set -euo pipefail

load attestation-host 05-attestation.sh
attestation=$answer
load consumer-client-id 04-identity.sh
identity=$answer

# lookForKey: sets $ready if the key and the identity's role on it exist. Records what does not, because it is made next.
lookForKey() {
	local exists='' release scope
	ready=''
	query "looking for the key" az keyvault key list "${vaultFlags[@]}" --query '[].name' --output tsv
	if listed "$KEY_NAME"; then exists=1; else record key "${vaultFlags[@]}" "$KEY_NAME"; fi
	if [[ $hsm ]]; then
		release="Managed HSM Crypto Service Release User"
		query "looking for the role $release" az keyvault role assignment list "${vaultFlags[@]}" --role "$release" --assignee "$identity" --scope "/keys/$KEY_NAME" --query '[].id' --output tsv
		if [[ -z $answer ]]; then record hsm-role "$vault" "$release" "$identity" "/keys/$KEY_NAME"; fi
	else
		release="Key Vault Crypto Service Release User"
		require "looking for the vault's id" az keyvault show --name "$vault" --query id --output tsv
		scope=$answer/keys/$KEY_NAME
		query "looking for the role $release" az role assignment list --role "$release" --assignee "$identity" --scope "$scope" --query '[].id' --output tsv
		if [[ -z $answer ]]; then record role "$release" "$identity" "$scope"; fi
	fi
	if [[ $exists && $answer ]]; then ready=1; fi
}

# setUpKey WHAT MEASUREMENT [STEP]: runs setup-key.sh, which writes the public key to the current folder.
setUpKey() {
	[[ $dry ]] || cd "$state"
	run "$1" env "MAA_ENDPOINT=$attestation" "MANAGED_IDENTITY=$identity" "WORKLOAD_MEASUREMENT=$2" "PLATFORM=${PLATFORM/container-group/confidential-aci}" bash "$here/setup-key.sh" "$KEY_NAME" "$VAULT_HOST" "${@:3}"
}
