#!/usr/bin/env bash
# Verifies in the vault that the key is a hardware key and for the measured consumer
# only. Changes nothing; costs a few operations with the vault.
. "$(dirname "$0")/lib.sh"
checkSubscription

load attestation-host 05-attestation.sh
attestation=$answer
load measurement 08-measure.sh
measurement=$answer
require "asking the vault for the key $KEY_NAME" az rest --method GET --url "https://$VAULT_HOST/keys/$KEY_NAME?api-version=7.4" --resource "https://${VAULT_HOST#*.}"
if [[ ! $dry ]]; then
	printf '%s' "$answer" >"$work/key"
	jq -e '.key.kty == "RSA-HSM" and .attributes.enabled and .attributes.exportable' "$work/key" >/dev/null ||
		fail "the key $KEY_NAME is not a releasable RSA hardware key" "set another KEY_NAME, then run 08-measure.sh and 09-key.sh"
	jq -r '.release_policy.data // "" | gsub("-"; "+") | gsub("_"; "/") | . + "=="[:(4 - length % 4) % 4]' "$work/key" | base64 -d >"$work/policy"
	jq -e --arg authority "https://$attestation" --arg measurement "$measurement" \
		'[.anyOf[] | .authority == $authority and any(.allOf[]; .claim == "x-ms-sevsnpvm-hostdata" and .equals == $measurement)] | length == 1 and all' "$work/policy" >/dev/null ||
		fail "the release policy of the key $KEY_NAME is not for the measured consumer only" "set another KEY_NAME, then run 08-measure.sh and 09-key.sh"
	jq . "$work/policy"
fi
report "the key $KEY_NAME is for the measured consumer only" "verify that the key $KEY_NAME is for the measured consumer only"
