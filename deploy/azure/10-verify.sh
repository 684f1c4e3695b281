#!/usr/bin/env bash
# Asks the vault whether the key is there, in hardware, and for the measured
# consumer alone. Changes nothing; costs a few operations with the vault.
. "$(dirname "$0")/lib.sh"
subscription

kept attestation-host 05-attestation.sh
attestation=$answer
kept measurement 08-measure.sh
measurement=$answer
need "asking the vault for the key $KEY_NAME" az rest --method GET --url "https://$VAULT_HOST/keys/$KEY_NAME?api-version=7.4" --resource "https://${VAULT_HOST#*.}"
if [[ ! $dry ]]; then
	printf '%s' "$answer" >"$work/key"
	jq -e '.key.kty == "RSA-HSM" and .attributes.enabled and .attributes.exportable' "$work/key" >/dev/null ||
		fail "the key $KEY_NAME is not an RSA key in hardware that can be released" "set another KEY_NAME, then run 08-measure.sh and 09-key.sh"
	jq -r '.release_policy.data // "" | gsub("-"; "+") | gsub("_"; "/") | . + "=="[:(4 - length % 4) % 4]' "$work/key" | base64 -d >"$work/policy"
	jq -e --arg authority "https://$attestation" --arg measurement "$measurement" \
		'[.anyOf[] | .authority == $authority and any(.allOf[]; .claim == "x-ms-sevsnpvm-hostdata" and .equals == $measurement)] | length == 1 and all' "$work/policy" >/dev/null ||
		fail "the key $KEY_NAME is released to something else than the measured consumer" "set another KEY_NAME, then run 08-measure.sh and 09-key.sh"
	jq . "$work/policy"
fi
say "the key $KEY_NAME is for the measured consumer alone"
