#!/usr/bin/env bash
# Makes the key for the measured consumer only, and lets the pod's identity release
# it, with the article's script setup-key.sh. With KEY_STEPS=two the key exists
# already, and is bound to the measured consumer. Costs: a hardware key, by month and
# operation.
. "$(dirname "$0")/lib.sh"
checkSubscription
checkUnchanged
. "$here/key.sh"
load measurement 08-measure.sh
measurement=$answer

lookForKey
if [[ $KEY_STEPS == two ]]; then
	bound="$KEY_NAME $measurement"
	if [[ $ready && -e $state/bound && $(<"$state/bound") == "$bound" ]]; then
		info "the key is bound to the measured consumer already"
		exit
	fi
	setUpKey "binding the key $KEY_NAME to the measured consumer" "$measurement" bind
	save bound "$bound"
else
	if [[ $ready ]] && grep -qxF -- "$KEY_NAME" "$state/keys" 2>/dev/null; then
		info "the key and the role exist already"
		exit
	fi
	setUpKey "making the key $KEY_NAME" "$measurement"
	if [[ ! $dry ]] && ! grep -qxF -- "$KEY_NAME" "$state/keys" 2>/dev/null; then echo "$KEY_NAME" >>"$state/keys"; fi
fi
report "the public key is $state/$KEY_NAME-pub.pem; the identity's new role can take up to 24 hours to work" "make the key $KEY_NAME, for the measured consumer only"
