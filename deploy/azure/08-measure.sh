#!/usr/bin/env bash
# Renders the consumer's manifest with your settings, generates its security
# policy, inserts it, and measures it: the key will be for exactly this file.
# Costs nothing; with KEY_STEPS=two, which creates the key first, a hardware key.
. "$(dirname "$0")/lib.sh"
checkSubscription

values=()
for pair in CONSUMER_IMAGE:consumer-image:03-registry.sh PRODUCER_IMAGE:producer-image:03-registry.sh \
	IDENTITY_CLIENT_ID:consumer-client-id:04-identity.sh ATTESTATION_HOST:attestation-host:05-attestation.sh PAGE_HOST:page-domain:02-cluster.sh; do
	IFS=: read -r name value from <<<"$pair"
	load "$value" "$from"
	# The page's name is known before its address, so it can be measured with the pod.
	if [[ $name == PAGE_HOST ]]; then answer=$PAGE_NAME.$answer; fi
	values+=("$name=$answer")
done
values+=("VAULT_HOST=$VAULT_HOST" "KEY_NAME=$KEY_NAME" "SOURCE_RANGE=$SOURCE_RANGE" "VIEWER_NAMESPACE=$VIEWER_NAMESPACE")
if [[ $PLATFORM:$KAFKA == confidential-aci:event-hubs ]]; then
	load producer-client-id 04-identity.sh
	values+=("EVENT_HUBS=$EVENT_HUBS.servicebus.windows.net:9093" "PRODUCER_IDENTITY_CLIENT_ID=$answer")
fi

# The consumer names the key's id, so the key comes first. No pod gets it before 09-key.sh.
if [[ $KEY_STEPS == two ]]; then
	. "$here/key.sh"
	lookForKey
	if [[ ! $ready || ! -s $state/$KEY_NAME-info.json ]]; then
		setUpKey "creating the key $KEY_NAME, which no pod gets before 09-key.sh" '' create
	fi
	require "reading the key's id" jq -r .key_id "$state/$KEY_NAME-info.json"
	values+=("EXPECTED_KEY_IDS=$answer")
fi
# The strict consumer names its trusted sender, so the producer's signing key comes first, too.
if [[ $STRICT == yes && ! $dry && ! -s $state/signing.pem ]]; then
	(umask 077 && openssl genpkey -algorithm ed25519 -out "$state/signing.pem")
fi

prepare "${values[@]}"
unmeasured=$state/unmeasured.$manifest
renderUnmeasured "$work/unmeasured"

# saveConsumer: makes the rendered file the one to deploy.
saveConsumer() {
	cp -f "$work/consumer" "$consumer"
	chmod a-w "$consumer"
	save measured "$(sha256sum <"$consumer")"
}

if [[ ! $dry && -e $consumer ]]; then
	checkUnchanged
	if cmp -s "$work/unmeasured" "$unmeasured"; then
		# The pod is unchanged. Unmeasured objects of the manifest may have changed.
		renderConsumer "$(policyOf "$consumer")" "$work/consumer"
		load measurement 08-measure.sh
		measured=$answer
		require "measuring" "$here/measure" "$work/consumer"
		[[ $answer == "$measured" ]] || fail "the measurement of the consumer has changed, though its pod has not" "rm -f $consumer; then run deploy/azure/08-measure.sh, which recreates it"
		if cmp -s "$work/consumer" "$consumer"; then
			info "the consumer is the one that was measured"
		else
			saveConsumer
			info "the consumer's pod is the one that was measured; other objects (Service, network policies, account) have changed, and 12-deploy.sh applies them"
		fi
		exit
	fi
	[[ $KEY_STEPS == two ]] || ! grep -qxF -- "$KEY_NAME" "$state/keys" 2>/dev/null ||
		fail "the consumer has changed (settings, image), and the key $KEY_NAME is for the previous one" "set another KEY_NAME, then run this again"
fi

# The generator pulls the images with Docker's credentials, which expire after hours.
run "signing in to the registry" az acr login --name "$REGISTRY"
if [[ ! $dry ]]; then
	rm -f "$consumer"
	cp "$work/unmeasured" "$unmeasured"
fi
generatePolicy "$unmeasured"
renderConsumer "$answer" "$work/consumer"
require "measuring" "$here/measure" "$work/consumer"
save measurement "$answer"
[[ $dry ]] || saveConsumer
report "the consumer measures $answer; deploy $consumer unchanged" "measure the consumer, and write $consumer"
