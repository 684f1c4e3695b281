# Installs Strimzi's operator, pinned, and makes Kafka and the topic. 07-kafka.sh sources
# this file; it is not a program.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

version=1.2.0
url=https://github.com/strimzi/strimzi-kafka-operator/releases/download/$version/strimzi-cluster-operator-$version.yaml

# splitRelease FILE: writes Strimzi's definitions to strimzi-crds.yaml, and the rest, in the namespace kafka, to strimzi.yaml.
splitRelease() {
	sed 's/namespace: .*/namespace: kafka/' "$1" | awk -v crds="$work/crds" -v rest="$work/rest" '
		function flush() { if (text != "") printf "---\n%s", text >(text ~ /(^|\n)kind: CustomResourceDefinition\n/ ? crds : rest); text = "" }
		/^---/ { flush(); next }
		{ text = text $0 "\n" }
		END { flush() }'
	[[ -s $work/crds && -s $work/rest ]] || fail "Strimzi's release has no definitions, or nothing else" "it is another release than these scripts are for"
	mv "$work/crds" "$state/strimzi-crds.yaml"
	mv "$work/rest" "$state/strimzi.yaml"
}

# installStrimzi: installs the operator, unless the cluster has it.
installStrimzi() {
	query "looking for Strimzi" kubectl get crd kafkas.kafka.strimzi.io --ignore-not-found --output name
	if [[ -z $answer ]] || recorded strimzi; then
		if [[ $dry || ! -s $state/strimzi.yaml ]]; then
			run "getting Strimzi $version" curl --fail --silent --show-error --location --max-time 300 --output "$work/release.yaml" "$url"
			[[ $dry ]] || splitRelease "$work/release.yaml"
		fi
		# The definitions are the whole cluster's: clean-up deletes those that were not there.
		query "looking for Strimzi's definitions" kubectl get crd --output name
		if [[ ! $dry ]] && ! recorded strimzi; then
			while read -r name; do
				listed "customresourcedefinition.apiextensions.k8s.io/$name" || record crd "$name"
			done < <(sed -nE 's/^  name: ([a-z.]+\.strimzi\.io)$/\1/p' "$state/strimzi-crds.yaml")
		fi
		record strimzi
		# They are too long for the annotation of a client-side apply.
		run "installing Strimzi's definitions" kubectl apply --server-side -f "$state/strimzi-crds.yaml"
		run "installing Strimzi" kubectl apply --server-side -n kafka -f "$state/strimzi.yaml"
		run "waiting for Strimzi" kubectl -n kafka rollout status deployment/strimzi-cluster-operator --timeout "${WAIT_MINUTES}m"
	else
		info "Strimzi is installed already; it has to watch the namespace kafka"
	fi
}

# makeKafka: makes Kafka, its users and the topic as the overlay has them, and waits until Kafka is ready.
makeKafka() {
	query "looking for Kafka" kubectl -n kafka get kafkas.kafka.strimzi.io my-cluster --ignore-not-found --output name
	if [[ -z $answer ]] || recorded kafka; then
		[[ $dry ]] || copyManifests
		render "$overlay" "$state/kafka.yaml" 'kind: "Namespace|Deployment|Service|ServiceAccount|ConfigMap|NetworkPolicy"'
		record kafka
		run "making Kafka and the topic" kubectl apply -f "$state/kafka.yaml"
	fi
	run "waiting for Kafka, which takes minutes" kubectl -n kafka wait kafka/my-cluster --for=condition=Ready --timeout "${WAIT_MINUTES}m"
}
