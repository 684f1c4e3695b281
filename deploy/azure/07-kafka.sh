#!/usr/bin/env bash
# Installs a pinned version of Strimzi's operator, Kafka and the topic, in namespace
# kafka. Costs: a disk of 10 GiB, and room on the nodes.
. "$(dirname "$0")/lib.sh"

version=1.2.0
url=https://github.com/strimzi/strimzi-kafka-operator/releases/download/$version/strimzi-cluster-operator-$version.yaml

query "looking for the namespace" kubectl get namespace kafka --ignore-not-found --output name
if [[ -z $answer ]]; then
	record namespace kafka
	run "making the namespace kafka" kubectl apply -f "$here/../kubernetes/base/namespace.yaml"
fi

query "looking for Strimzi" kubectl get crd kafkas.kafka.strimzi.io --ignore-not-found --output name
if [[ -z $answer ]] || recorded strimzi; then
	record strimzi
	if [[ $dry || ! -s $state/strimzi.yaml ]]; then
		run "getting Strimzi $version" curl --fail --silent --show-error --location --max-time 300 --output "$work/strimzi.yaml" "$url"
		# The release uses a namespace of its own.
		[[ $dry ]] || sed 's/namespace: .*/namespace: kafka/' "$work/strimzi.yaml" >"$state/strimzi.yaml"
	fi
	# Its definitions are too long for the annotation of a client-side apply.
	run "installing Strimzi" kubectl apply --server-side -n kafka -f "$state/strimzi.yaml"
	run "waiting for Strimzi" kubectl -n kafka rollout status deployment/strimzi-cluster-operator --timeout "${WAIT_MINUTES}m"
else
	info "Strimzi is installed already; it has to watch the namespace kafka"
fi

query "looking for Kafka" kubectl -n kafka get kafkas.kafka.strimzi.io my-cluster --ignore-not-found --output name
if [[ -z $answer ]] || recorded kafka; then
	record kafka
	run "making Kafka and the topic" kubectl apply -f "$here/../kubernetes/components/strimzi/kafka.yaml" -f "$here/../kubernetes/components/strimzi/topic.yaml"
fi
run "waiting for Kafka, which takes minutes" kubectl -n kafka wait kafka/my-cluster --for=condition=Ready --timeout "${WAIT_MINUTES}m"
report "Kafka is ready" "install Strimzi and make Kafka"
