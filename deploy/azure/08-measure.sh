#!/usr/bin/env bash
# Renders the consumer's manifest with your settings, has its security policy
# generated, puts it in, and measures it: the key will be for exactly this file.
# Costs nothing.
. "$(dirname "$0")/lib.sh"
subscription

fill=()
for pair in CONSUMER_IMAGE:consumer-image:03-registry.sh PRODUCER_IMAGE:producer-image:03-registry.sh \
	IDENTITY_CLIENT_ID:identity-client-id:04-identity.sh ATTESTATION_HOST:attestation-host:05-attestation.sh; do
	IFS=: read -r name value from <<<"$pair"
	kept "$value" "$from"
	fill+=("$name=$answer")
done
fill+=("VAULT_HOST=$VAULT_HOST" "KEY_NAME=$KEY_NAME" "SOURCE_RANGE=$SOURCE_RANGE")

# A copy of the manifests, in which settings are set by name.
if [[ ! $dry ]]; then
	rm -rf "$kubernetes"
	cp -R "$here/../kubernetes" "$kubernetes"
	file=$kubernetes/components/settings/settings.env
	for setting in "${fill[@]}"; do
		grep -q "^${setting%%=*}=" "$file" || fail "settings.env has no ${setting%%=*}" "the manifests and these scripts are of different versions"
		sed "s|^${setting%%=*}=.*|$setting|" "$file" >"$work/settings" && cp "$work/settings" "$file"
	done
fi
need "rendering kata-cc-genpolicy" kubectl kustomize "$kubernetes/overlays/kata-cc-genpolicy"
[[ $dry ]] || printf '%s\n' "$answer" >"$work/unmeasured.yaml"

if [[ ! $dry && -e $state/consumer.yaml ]]; then
	unchanged
	if cmp -s "$work/unmeasured.yaml" "$state/unmeasured.yaml"; then
		say "the consumer is the one that was measured"
		exit
	fi
	! grep -qxF -- "$KEY_NAME" "$state/keys" 2>/dev/null ||
		fail "the consumer has changed (settings, image), and the key $KEY_NAME is for the one before" "set another KEY_NAME, then run this again"
fi

# The generator reads the images with Docker's credentials, which last for hours.
change "signing in to the registry" az acr login --name "$REGISTRY"
if [[ ! $dry ]]; then
	rm -f "$state/consumer.yaml"
	cp "$work/unmeasured.yaml" "$state/unmeasured.yaml"
fi
need "generating the security policy" az confcom katapolicygen --yaml "$state/unmeasured.yaml" --print-policy
[[ $dry ]] || printf %s "$answer" >"$kubernetes/overlays/kata-cc/policy.base64"
# Everything of the overlay but Kafka, which is there, and the producer, which has to wait for the key.
render kata-cc "$work/consumer.yaml" 'kind: "Namespace|Kafka|KafkaNodePool|KafkaTopic"' 'labelSelector: app.kubernetes.io/component=producer'
need "measuring" "$here/measure" "$work/consumer.yaml"
keep measurement "$answer"
if [[ ! $dry ]]; then
	cp "$work/consumer.yaml" "$state/consumer.yaml"
	chmod a-w "$state/consumer.yaml"
	keep measured "$(sha256sum <"$state/consumer.yaml")"
fi
say "the consumer measures $answer; $state/consumer.yaml is to be deployed as it is"
