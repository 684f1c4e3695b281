#!/usr/bin/env bash
# The article's experiment: deploys the same consumer as an ordinary pod, without
# sidecar, runtime class and policy. It gets no key and shows ciphertext. 12-deploy.sh reverts it.
. "$(dirname "$0")/lib.sh"
recorded programs || [[ $dry ]] || fail "the consumer is not deployed yet" "run deploy/azure/12-deploy.sh first"
# Only the pod differs. The Service and all other objects stay as 12-deploy.sh applied them.
render ordinary "$state/ordinary.yaml" 'kind: "Namespace|Kafka|KafkaNodePool|KafkaTopic|Service|ServiceAccount|NetworkPolicy"' 'labelSelector: app.kubernetes.io/component=producer'
# This recreates the pod: the isolation of a running pod cannot be changed.
run "deploying the ordinary consumer" kubectl apply -f "$state/ordinary.yaml"
run "waiting for it" kubectl -n kafka rollout status deployment/kafka-golang-consumer --timeout "${WAIT_MINUTES}m"
report "the page shows ciphertext now; deploy/azure/12-deploy.sh reverts this" "deploy the consumer without isolation; deploy/azure/12-deploy.sh reverts it"
