#!/usr/bin/env bash
# Writes the public key into the producer's manifest. Costs nothing.
. "$(dirname "$0")/lib.sh"
load measured 08-measure.sh
[[ $dry || -s $state/$KEY_NAME-pub.pem ]] || fail "there is no public key of $KEY_NAME yet" "run deploy/azure/09-key.sh first"
renderProducer "$state/$KEY_NAME-pub.pem"
report "$producer holds the public key" "write $producer, with the public key"
