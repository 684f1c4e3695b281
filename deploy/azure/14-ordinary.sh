#!/usr/bin/env bash
# The document's experiment: the same consumer as an ordinary pod, without sidecar,
# runtime class and policy. It gets no key and shows ciphertext; 12-deploy.sh is the way back.
. "$(dirname "$0")/lib.sh"
made programs || [[ $dry ]] || fail "the consumer is not deployed yet" "run deploy/azure/12-deploy.sh first"
render ordinary "$state/ordinary.yaml" 'kind: "Namespace|Kafka|KafkaNodePool|KafkaTopic"' 'labelSelector: app.kubernetes.io/component=producer'
# The pod is deleted and made anew, since nothing of a running pod's isolation can be changed.
change "deploying the ordinary consumer" kubectl apply -f "$state/ordinary.yaml"
change "waiting for it" kubectl -n kafka rollout status deployment/kafka-golang-consumer --timeout "${WAIT_MINUTES}m"
say "the page shows ciphertext now; deploy/azure/12-deploy.sh is the way back"
