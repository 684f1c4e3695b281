#!/usr/bin/env bash
# Writes the public key into the producer's manifest. Costs nothing.
. "$(dirname "$0")/lib.sh"
load measured 08-measure.sh
if [[ ! $dry ]]; then
	[[ -s $state/$KEY_NAME-pub.pem ]] || fail "there is no public key of $KEY_NAME yet" "run deploy/azure/09-key.sh first"
	cp "$state/$KEY_NAME-pub.pem" "$kubernetes/components/settings/kafka-encryption-demo-pub.pem"
fi
render kata-cc "$state/producer.yaml" 'labelSelector: app.kubernetes.io/component!=producer'
report "$state/producer.yaml holds the public key" "write $state/producer.yaml, with the public key"
