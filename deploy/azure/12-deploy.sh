#!/usr/bin/env bash
# Deploys the measured file and the producer. It also reverts 14-ordinary.sh.
# Costs: a load balancer's rules and a public address.
. "$(dirname "$0")/lib.sh"
checkUnchanged
[[ $dry || -s $state/producer.yaml ]] || fail "there is no producer.yaml yet" "run deploy/azure/11-producer.sh first"
query "looking for the consumer" kubectl -n kafka get deployment kafka-golang-consumer --ignore-not-found --output name
[[ -z $answer ]] || recorded programs || fail "the cluster has a consumer already, which was not deployed by these scripts" "delete it first (deploy/kubernetes/README.md)"
record programs
if [[ $STRICT == yes ]]; then
	# Whoever may read Secrets in this namespace can sign as the producer (deploy/azure/README.md).
	[[ $dry || -s $state/signing.pem ]] || fail "there is no signing.pem yet" "run deploy/azure/08-measure.sh first"
	if [[ ! $dry ]]; then (umask 077 && cat >"$work/signing-key.yaml") <<-END
		apiVersion: v1
		kind: Secret
		metadata:
		  name: signing-key
		  namespace: kafka
		  labels: {app.kubernetes.io/part-of: kafka-e2ee}
		data:
		  signing.pem: $(base64 <"$state/signing.pem" | tr -d '\n')
	END
	fi
	run "storing the producer's signing key" kubectl apply -f "$work/signing-key.yaml"
fi
run "deploying the consumer" kubectl apply -f "$state/consumer.yaml"
run "deploying the producer" kubectl apply -f "$state/producer.yaml"
for program in kafka-golang-consumer kafka-producer; do
	run "waiting for $program" kubectl -n kafka rollout status "deployment/$program" --timeout "${WAIT_MINUTES}m"
done
report "deployed" "deploy the consumer and the producer"
