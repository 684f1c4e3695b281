#!/usr/bin/env bash
# Deploys the measured file and the producer. It also reverts 14-ordinary.sh.
# Costs: in a cluster a load balancer's rules and a public address; the container
# groups, by the second.
. "$(dirname "$0")/lib.sh"
checkUnchanged
[[ $dry || -s $producer ]] || fail "there is no ${producer##*/} yet" "run deploy/azure/11-producer.sh first"
[[ $dry || $STRICT == no || -s $state/signing.pem ]] || fail "there is no signing.pem yet" "run deploy/azure/08-measure.sh first"
deployPrograms
report "deployed" "deploy the consumer and the producer"
