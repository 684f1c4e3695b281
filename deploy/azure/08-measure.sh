#!/usr/bin/env bash
# Renders the consumer's manifest with your settings, generates its security
# policy, inserts it, and measures it: the key will be for exactly this file.
# Costs nothing; with KEY_STEPS=two, which creates the key first, a hardware key.
. "$(dirname "$0")/lib.sh"
checkSubscription

values=()
for pair in CONSUMER_IMAGE:consumer-image:03-registry.sh PRODUCER_IMAGE:producer-image:03-registry.sh \
	IDENTITY_CLIENT_ID:identity-client-id:04-identity.sh ATTESTATION_HOST:attestation-host:05-attestation.sh PAGE_HOST:cluster-location:02-cluster.sh; do
	IFS=: read -r name value from <<<"$pair"
	load "$value" "$from"
	# The page's name is known before its address, so it can be measured with the pod.
	if [[ $name == PAGE_HOST ]]; then answer=$PAGE_NAME.$answer.cloudapp.azure.com; fi
	values+=("$name=$answer")
done
values+=("PAGE_DNS_LABEL=$PAGE_NAME" "VAULT_HOST=$VAULT_HOST" "KEY_NAME=$KEY_NAME" "SOURCE_RANGE=$SOURCE_RANGE" "VIEWER_NAMESPACE=$VIEWER_NAMESPACE")

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

# addComponent COMPONENT AFTER OVERLAY: adds a line for the component to the copied overlay, after the line that matches.
addComponent() {
	local file=$kubernetes/overlays/$3/kustomization.yaml
	awk -v line="  - ../../components/$1" -v after="$2" '{ print } $0 ~ after { print line }' "$file" >"$work/overlay" && cp "$work/overlay" "$file"
	grep -q "components/$1\$" "$file" || fail "the component $1 could not be added to overlay $3" "the manifests and these scripts are of different versions"
}

# Copy the manifests and fill in the settings.
if [[ ! $dry ]]; then
	rm -rf "$kubernetes"
	cp -R "$here/../kubernetes" "$kubernetes"
	file=$kubernetes/components/settings/settings.env
	for setting in "${values[@]}"; do
		grep -q "^${setting%%=*}=" "$file" || fail "settings.env has no ${setting%%=*}" "the manifests and these scripts are of different versions"
		sed "s|^${setting%%=*}=.*|$setting|" "$file" >"$work/settings" && cp "$work/settings" "$file"
	done
	# The page at its attested address only, so that viewers can verify it; the ordinary pod of the experiment, too.
	for overlay in kata-cc ordinary; do addComponent page-attested '^components:$' "$overlay"; done
	if [[ $STRICT == yes ]]; then
		{ echo kafka-producer && openssl pkey -in "$state/signing.pem" -pubout; } >"$kubernetes/components/settings/trusted-senders.pem"
		addComponent strict 'components/settings$' kata-cc
	elif [[ $KEY_STEPS == two ]]; then
		addComponent expected-keys 'components/settings$' kata-cc
	fi
fi
require "rendering kata-cc-genpolicy" kubectl kustomize "$kubernetes/overlays/kata-cc-genpolicy"
[[ $dry ]] || printf '%s\n' "$answer" >"$work/unmeasured.yaml"

# renderConsumer POLICY: renders the overlay with that policy, without Kafka, which exists, and the producer, which needs
# the key.
renderConsumer() {
	[[ $dry ]] || printf %s "$1" >"$kubernetes/overlays/kata-cc/policy.base64"
	render kata-cc "$work/consumer.yaml" 'kind: "Namespace|Kafka|KafkaNodePool|KafkaTopic"' 'labelSelector: app.kubernetes.io/component=producer'
}
# saveConsumer: makes the rendered file the one to deploy.
saveConsumer() {
	cp -f "$work/consumer.yaml" "$state/consumer.yaml"
	chmod a-w "$state/consumer.yaml"
	save measured "$(sha256sum <"$state/consumer.yaml")"
}

if [[ ! $dry && -e $state/consumer.yaml ]]; then
	checkUnchanged
	if cmp -s "$work/unmeasured.yaml" "$state/unmeasured.yaml"; then
		# The pod is unchanged. Unmeasured objects of the manifest may have changed.
		renderConsumer "$(sed -nE 's/^ +io\.katacontainers\.config\.agent\.policy: ([A-Za-z0-9+/=]+)$/\1/p' "$state/consumer.yaml")"
		load measurement 08-measure.sh
		measured=$answer
		require "measuring" "$here/measure" "$work/consumer.yaml"
		[[ $answer == "$measured" ]] || fail "the measurement of the consumer has changed, though its pod has not" "rm -f $state/consumer.yaml; then run deploy/azure/08-measure.sh, which recreates it"
		if cmp -s "$work/consumer.yaml" "$state/consumer.yaml"; then
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
	rm -f "$state/consumer.yaml"
	cp "$work/unmeasured.yaml" "$state/unmeasured.yaml"
fi
require "generating the security policy" az confcom katapolicygen --yaml "$state/unmeasured.yaml" --print-policy
renderConsumer "$answer"
require "measuring" "$here/measure" "$work/consumer.yaml"
save measurement "$answer"
[[ $dry ]] || saveConsumer
report "the consumer measures $answer; deploy $state/consumer.yaml unchanged" "measure the consumer, and write $state/consumer.yaml"
