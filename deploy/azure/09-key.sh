#!/usr/bin/env bash
# Makes the key, for the measured consumer alone, and lets the pod's identity have
# it released; setup-key.sh is the document's script. Costs: a key in hardware, by
# month and operation.
. "$(dirname "$0")/lib.sh"
subscription
unchanged

kept attestation-host 05-attestation.sh
attestation=$answer
kept identity-client-id 04-identity.sh
identity=$answer
kept measurement 08-measure.sh
measurement=$answer

if [[ $VAULT_HOST == *.managedhsm.azure.net ]]; then place=(--hsm-name "$vault"); else place=(--vault-name "$vault"); fi
look "looking for the key" az keyvault key list "${place[@]}" --query '[].name' --output tsv
if listed "$KEY_NAME"; then key=there; else key=''; record key "${place[@]}" "$KEY_NAME"; fi
if [[ $VAULT_HOST == *.managedhsm.azure.net ]]; then
	release="Managed HSM Crypto Service Release User"
	look "looking for the role $release" az keyvault role assignment list "${place[@]}" --role "$release" --assignee "$identity" --scope "/keys/$KEY_NAME" --query '[].id' --output tsv
	if [[ -z $answer ]]; then record hsm-role "$vault" "$release" "$identity" "/keys/$KEY_NAME"; fi
else
	release="Key Vault Crypto Service Release User"
	need "looking for the vault's id" az keyvault show --name "$vault" --query id --output tsv
	scope=$answer/keys/$KEY_NAME
	look "looking for the role $release" az role assignment list --role "$release" --assignee "$identity" --scope "$scope" --query '[].id' --output tsv
	if [[ -z $answer ]]; then record role "$release" "$identity" "$scope"; fi
fi

if [[ $key && $answer ]] && grep -qxF -- "$KEY_NAME" "$state/keys" 2>/dev/null; then
	say "the key and the role are there"
	exit
fi

# It writes the public key into the folder that it runs in.
[[ $dry ]] || cd "$state"
change "making the key $KEY_NAME" env "MAA_ENDPOINT=$attestation" "MANAGED_IDENTITY=$identity" "WORKLOAD_MEASUREMENT=$measurement" PLATFORM=kata-cc \
	bash "$here/setup-key.sh" "$KEY_NAME" "$VAULT_HOST"
if [[ ! $dry ]] && ! grep -qxF -- "$KEY_NAME" keys 2>/dev/null; then echo "$KEY_NAME" >>keys; fi
say "the public key is $state/$KEY_NAME-pub.pem; the identity's new role can take up to 24 hours to work"
