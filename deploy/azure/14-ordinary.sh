#!/usr/bin/env bash
# The article's experiment: deploys the same consumer as an ordinary pod or container
# group, without sidecar, isolation and policy. It gets no key and shows ciphertext.
# 12-deploy.sh reverts it.
. "$(dirname "$0")/lib.sh"
deployed || [[ $dry ]] || fail "the consumer is not deployed yet" "run deploy/azure/12-deploy.sh first"
deployOrdinary
report "the page shows ciphertext now; deploy/azure/12-deploy.sh reverts this" "deploy the consumer without isolation; deploy/azure/12-deploy.sh reverts it"
