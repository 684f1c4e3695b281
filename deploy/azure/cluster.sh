# The platforms with a cluster: what the stages need of them. container-group.sh has the same functions. lib.sh sources
# this file; it is not a program.
# shellcheck shell=bash disable=SC2154,SC2034 # lib.sh sets the rest; the stages use $answer
set -euo pipefail

# addComponent COMPONENT AFTER OVERLAY: adds a line for the component to the copied overlay, after the line that matches.
addComponent() {
	local file=$kubernetes/overlays/$3/kustomization.yaml
	awk -v line="  - ../../components/$1" -v after="$2" '{ print } $0 ~ after { print line }' "$file" >"$work/overlay" && cp "$work/overlay" "$file"
	grep -q "components/$1\$" "$file" || fail "the component $1 could not be added to overlay $3" "the manifests and these scripts are of different versions"
}

# copyManifests NAME=VALUE...: copies the manifests, and fills in the values.
copyManifests() {
	local setting name file=$kubernetes/components/settings/settings.env
	rm -rf "$kubernetes"
	cp -R "$here/../kubernetes" "$kubernetes"
	for setting in "KAFKA_ADDRESS=$KAFKA_ADDRESS" "PAGE_DNS_LABEL=$PAGE_NAME" "$@"; do
		name=${setting%%=*}
		grep -q "^$name=" "$file" || fail "settings.env has no $name" "the manifests and these scripts are of different versions"
		sed "s|^$name=.*|$setting|" "$file" >"$work/settings" && cp "$work/settings" "$file"
	done
}

# prepare NAME=VALUE...: copies the manifests, fills in the values, and adds the components that the settings ask for.
prepare() {
	if [[ $dry ]]; then return; fi
	local name file
	copyManifests "$@"
	# The page at its attested address only, so that viewers can verify it; the ordinary pod of the experiment, too.
	for name in "$overlay" ordinary; do
		addComponent page-attested '^components:$' "$name"
		if [[ $PAGE_USER ]]; then addComponent sign-in 'components/settings$' "$name"; fi
		if [[ $KAFKA == event-hubs ]]; then
			file=$kubernetes/overlays/$name/kustomization.yaml
			sed '/components\/strimzi/d' "$file" >"$work/overlay" && cp "$work/overlay" "$file"
			addComponent event-hubs 'components/settings$' "$name"
		fi
	done
	# An ordinary pod reaches the same Kafka through its Service.
	if [[ $PLATFORM:$KAFKA == confidential-aci:strimzi ]]; then addComponent strimzi-mtls 'components/strimzi$' ordinary; fi
	if [[ $PAGE_USER ]]; then printf '%s\n' "$PAGE_USER" >"$kubernetes/components/settings/users"; fi
	if [[ $STRICT == yes ]]; then
		trustedSender >"$kubernetes/components/settings/trusted-senders.pem"
		addComponent strict 'components/settings$' "$overlay"
	elif [[ $KEY_STEPS == two ]]; then
		addComponent expected-keys 'components/settings$' "$overlay"
	fi
}

# render OVERLAY FILE TARGET...: renders an overlay without the objects that the targets select.
render() {
	local name=$1 file=$2 part=$kubernetes/overlays/part target
	shift 2
	if [[ ! $dry ]]; then
		mkdir -p "$part"
		{
			printf 'resources: [../%s]\npatches:\n' "$name"
			for target; do printf "  - target: {%s}\n    patch: '{\$patch: delete, kind: any, metadata: {name: any}}'\n" "$target"; done
		} >"$part/kustomization.yaml"
	fi
	require "rendering $name" kubectl kustomize "$part"
	[[ $dry ]] || printf '%s\n' "$answer" >"$file"
}
# What Kafka's stage made, and what the experiment leaves as it is.
kafkaKinds='kind: "Namespace|Kafka|KafkaNodePool|KafkaTopic|KafkaUser"'
keptKinds='kind: "Namespace|Kafka|KafkaNodePool|KafkaTopic|KafkaUser|Service|ServiceAccount|NetworkPolicy"'

# renderUnmeasured FILE: renders the generator's input.
renderUnmeasured() {
	require "rendering $overlay-genpolicy" kubectl kustomize "$kubernetes/overlays/$overlay-genpolicy"
	[[ $dry ]] || printf '%s\n' "$answer" >"$1"
}
# renderConsumer POLICY FILE: renders the overlay with that policy, without Kafka, which exists, and the producer, which
# needs the key.
renderConsumer() {
	[[ $dry ]] || printf %s "$1" >"$kubernetes/overlays/$overlay/policy.base64"
	render "$overlay" "$2" "$kafkaKinds" 'labelSelector: app.kubernetes.io/component=producer'
}
# generatePolicy FILE: stores the policy for the generator's input in $answer. Without --disable-stdio acipolicygen's
# would allow reading logs.
generatePolicy() {
	local generator=(katapolicygen --yaml "$1")
	if [[ $PLATFORM == confidential-aci ]]; then generator=(acipolicygen --virtual-node-yaml "$1" --disable-stdio); fi
	require "generating the security policy" az confcom "${generator[@]}" --print-policy
}
# policyOf FILE: prints the policy in a manifest.
policyOf() { sed -nE 's/^ +(io\.katacontainers\.config\.agent\.policy|microsoft\.containerinstance\.virtualnode\.ccepolicy): ([A-Za-z0-9+/=]+)$/\2/p' "$1"; }
# renderProducer PUBLIC-KEY: renders the producer's manifest.
renderProducer() {
	[[ $dry ]] || cp "$1" "$kubernetes/components/settings/kafka-encryption-demo-pub.pem"
	render "$overlay" "$producer" "$kafkaKinds" 'labelSelector: app.kubernetes.io/component!=producer'
}

# keepDeployed FILE: keeps a manifest for clean-up, which deletes what is in these and nothing else. Earlier ones stay,
# since an object may be in them only.
keepDeployed() {
	if [[ $dry ]]; then return; fi
	mkdir -p "$state/deployed"
	cp -f "$1" "$state/deployed/$(sha256sum <"$1" | cut -c1-64).yaml"
}

# deployPrograms: deploys the measured consumer and the producer, unless the cluster has objects with their names.
deployPrograms() {
	local program secret=$work/secret.yaml files=(-f "$consumer" -f "$producer")
	if [[ $STRICT == yes ]]; then
		[[ $dry ]] || printf '%s\n' 'apiVersion: v1' 'kind: Secret' 'metadata: {name: signing-key, namespace: kafka, labels: {app.kubernetes.io/part-of: kafka-e2ee}}' >"$secret"
		files+=(-f "$secret")
	fi
	if ! recorded programs; then
		query "looking for objects with the same names" kubectl get --ignore-not-found --output name "${files[@]}"
		[[ -z $answer ]] || fail "the namespace kafka has objects already that were not deployed by these scripts: ${answer//$'\n'/, }" "delete them first (deploy/kubernetes/README.md)"
	fi
	keepDeployed "$consumer"
	keepDeployed "$producer"
	if [[ $STRICT == yes ]]; then keepDeployed "$secret"; fi
	record programs
	if [[ $STRICT == yes ]]; then
		# Whoever may read Secrets in this namespace can sign as the producer (deploy/azure/README.md).
		[[ $dry ]] || (umask 077 && { cat "$secret" && printf 'data: {signing.pem: %s}\n' "$(base64 <"$state/signing.pem" | tr -d '\n')"; } >"$work/signing-key.yaml")
		run "storing the producer's signing key" kubectl apply -f "$work/signing-key.yaml"
	fi
	run "deploying the consumer" kubectl apply -f "$consumer"
	run "deploying the producer" kubectl apply -f "$producer"
	for program in kafka-golang-consumer kafka-producer; do
		run "waiting for $program" kubectl -n kafka rollout status "deployment/$program" --timeout "${WAIT_MINUTES}m"
	done
}

# deployOrdinary: deploys the same consumer without isolation and sidecar. Only the pod differs; with confidential-aci the
# Service, too, whose own is for a pod on no node.
deployOrdinary() {
	local kept=$keptKinds
	if [[ $PLATFORM == confidential-aci ]]; then kept=${kept/|Service|/|}; fi
	render ordinary "$state/ordinary.yaml" "$kept" 'labelSelector: app.kubernetes.io/component=producer'
	keepDeployed "$state/ordinary.yaml"
	# This recreates the pod: the isolation of a running pod cannot be changed.
	run "deploying the ordinary consumer" kubectl apply -f "$state/ordinary.yaml"
	run "waiting for it" kubectl -n kafka rollout status deployment/kafka-golang-consumer --timeout "${WAIT_MINUTES}m"
}
deployed() { recorded programs; }

# printAddress: prints the page's address and who may open it, as the cluster has it, and the command that verifies it.
printAddress() {
	local address ranges allowed inside within node name scheme
	await "waiting for the page's address (kubectl -n kafka describe service consumer says what it waits for)" '^$' \
		kubectl -n kafka get service consumer --output 'jsonpath={.status.loadBalancer.ingress[0].ip}'
	address=$answer
	require "looking for the load balancer's ranges" kubectl -n kafka get service consumer --output 'jsonpath={.spec.loadBalancerSourceRanges[*]}'
	ranges=$answer
	require "looking for the network policy's ranges" kubectl -n kafka get networkpolicy kafka-e2ee-page --output 'jsonpath={.spec.ingress[*].from[*].ipBlock.cidr}'
	allowed=$answer
	query "looking for the network policy's namespace" kubectl -n kafka get networkpolicy kafka-e2ee-page --output 'jsonpath={.spec.ingress[*].from[*].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name}'
	inside=${answer:-None}
	query "looking for a port on the nodes" kubectl -n kafka get service consumer --output 'jsonpath={.spec.ports[*].nodePort}'
	node=$answer
	require "looking for the page's names" kubectl -n kafka get deployment kafka-golang-consumer --output 'jsonpath={.spec.template.spec.containers[0].env[?(@.name=="WEB_HOSTS")].value}'
	name=${answer%%,*}
	query "looking for the page's attested address" kubectl -n kafka get deployment kafka-golang-consumer --output 'jsonpath={.spec.template.spec.containers[0].env[?(@.name=="WEB_ATTESTED_ADDR")].value}'
	if [[ $answer || $dry ]]; then scheme=https; else scheme=http; fi
	if [[ ! $dry ]]; then
		[[ $allowed == "$ranges" ]] || fail "the load balancer lets in $ranges, but the network policy $allowed" "run deploy/azure/08-measure.sh and 12-deploy.sh"
		# An allocated port stays when the manifest no longer asks for one.
		[[ -z $node ]] || fail "the nodes' port $node shows the page to anyone who reaches a node" "kubectl -n kafka delete service consumer; then run deploy/azure/12-deploy.sh, which recreates it without that port"
		[[ $inside == "$VIEWER_NAMESPACE" ]] || info "VIEWER_NAMESPACE is not what is deployed: deploy/azure/08-measure.sh and 12-deploy.sh apply it"
		[[ $ranges == "$SOURCE_RANGE" ]] || info "SOURCE_RANGE is not what is deployed: deploy/azure/08-measure.sh and 12-deploy.sh apply it"
	fi
	if [[ $inside == None ]]; then inside=nobody; else inside="the pods of namespace $inside"; fi
	within="the network policy lets in $inside"
	if [[ $PLATFORM == confidential-aci ]]; then within="every pod reaches it, because no network policy applies to virtual nodes"; fi
	report "open $scheme://$name (address $address, from $ranges); from inside the cluster $within; deploy/azure/15-clean-up.sh deletes everything that these scripts made" "print the address of the page, who may open it, and the command that verifies it"
	if [[ $scheme == https ]]; then printVerify "https://$name"; fi
}
