#!/usr/bin/env bash
# Strimzi's operator, pinned, and with it Kafka and the topic, in namespace kafka.
# Costs: a disk of 10 GiB, and its place on the nodes.
. "$(dirname "$0")/lib.sh"

version=1.2.0
url=https://github.com/strimzi/strimzi-kafka-operator/releases/download/$version/strimzi-cluster-operator-$version.yaml

look "looking for the namespace" kubectl get namespace kafka --ignore-not-found --output name
if [[ -z $answer ]]; then
	record namespace kafka
	change "making the namespace kafka" kubectl apply -f "$here/../kubernetes/base/namespace.yaml"
fi

look "looking for Strimzi" kubectl get crd kafkas.kafka.strimzi.io --ignore-not-found --output name
if [[ -z $answer ]] || made strimzi; then
	record strimzi
	if [[ $dry || ! -s $state/strimzi.yaml ]]; then
		change "getting Strimzi $version" curl --fail --silent --show-error --location --max-time 300 --output "$work/strimzi.yaml" "$url"
		# The release names a namespace of its own.
		[[ $dry ]] || sed 's/namespace: .*/namespace: kafka/' "$work/strimzi.yaml" >"$state/strimzi.yaml"
	fi
	# Its definitions are too long for the annotation that a client-side apply makes.
	change "installing Strimzi" kubectl apply --server-side -n kafka -f "$state/strimzi.yaml"
	change "waiting for Strimzi" kubectl -n kafka rollout status deployment/strimzi-cluster-operator --timeout "${WAIT_MINUTES}m"
else
	say "Strimzi is there already; it has to watch the namespace kafka"
fi

look "looking for Kafka" kubectl -n kafka get kafkas.kafka.strimzi.io my-cluster --ignore-not-found --output name
if [[ -z $answer ]] || made kafka; then
	record kafka
	change "making Kafka and the topic" kubectl apply -f "$here/../kubernetes/components/strimzi/kafka.yaml" -f "$here/../kubernetes/components/strimzi/topic.yaml"
fi
change "waiting for Kafka, which takes minutes" kubectl -n kafka wait kafka/my-cluster --for=condition=Ready --timeout "${WAIT_MINUTES}m"
say "Kafka is ready"
