#!/usr/bin/env bash
# Deploys the very file that was measured, and the producer. It is also the way back
# from 14-ordinary.sh. Costs: a load balancer's rules and a public address.
. "$(dirname "$0")/lib.sh"
unchanged
[[ $dry || -s $state/producer.yaml ]] || fail "there is no producer.yaml yet" "run deploy/azure/11-producer.sh first"
look "looking for the consumer" kubectl -n kafka get deployment kafka-golang-consumer --ignore-not-found --output name
[[ -z $answer ]] || made programs || fail "the cluster has a consumer already, which was not deployed here" "delete it first (deploy/kubernetes/README.md)"
record programs
change "deploying the consumer" kubectl apply -f "$state/consumer.yaml"
change "deploying the producer" kubectl apply -f "$state/producer.yaml"
for program in kafka-golang-consumer kafka-producer; do
	change "waiting for $program" kubectl -n kafka rollout status "deployment/$program" --timeout "${WAIT_MINUTES}m"
done
say "deployed"
