#!/usr/bin/env bash
# Puts the public key into the producer's manifest. Costs nothing.
. "$(dirname "$0")/lib.sh"
kept measured 08-measure.sh
if [[ ! $dry ]]; then
	[[ -s $state/$KEY_NAME-pub.pem ]] || fail "there is no public key of $KEY_NAME yet" "run deploy/azure/09-key.sh first"
	cp "$state/$KEY_NAME-pub.pem" "$kubernetes/components/settings/kafka-encryption-demo-pub.pem"
fi
render kata-cc "$state/producer.yaml" 'labelSelector: app.kubernetes.io/component!=producer'
say "$state/producer.yaml holds the public key"
