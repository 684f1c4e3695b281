#!/usr/bin/env bash
# Makes Kafka and the topic. KAFKA=strimzi: installs a pinned version of Strimzi's
# operator and Kafka in the namespace kafka; costs a disk of 10 GiB, and room on the
# nodes. KAFKA=event-hubs: makes a namespace of Event Hubs and an event hub; costs a
# throughput unit by the hour, and events. Addresses: nothing, Kafka is yours.
. "$(dirname "$0")/lib.sh"
. "$here/strimzi.sh"
. "$here/event-hubs.sh"

if [[ ! $group ]]; then
	query "looking for the namespace" kubectl get namespace kafka --ignore-not-found --output name
	if [[ -z $answer ]]; then
		record namespace kafka
		run "making the namespace kafka" kubectl apply -f "$here/../kubernetes/base/namespace.yaml"
	fi
fi
case $KAFKA in
strimzi)
	installStrimzi
	makeKafka
	report "Kafka is ready" "install Strimzi and make Kafka" ;;
event-hubs)
	checkSubscription
	makeEventHubs
	report "the event hub $topic is ready at $EVENT_HUBS.servicebus.windows.net" "make the event hub $topic" ;;
*) report "Kafka is yours, at $KAFKA: it has to have the topic $topic" "use your Kafka at $KAFKA" ;;
esac
