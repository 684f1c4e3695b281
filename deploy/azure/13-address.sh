#!/usr/bin/env bash
# Prints the address of the page, who may open it, as the cluster has it, and the
# command that verifies the page. Changes and costs nothing.
. "$(dirname "$0")/lib.sh"
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
report "open $scheme://$name (address $address, from $ranges); from inside the cluster the network policy lets in $inside; deploy/azure/15-clean-up.sh deletes everything that these scripts made" "print the address of the page, who may open it, and the command that verifies it"
if [[ ! $dry && $scheme == https ]]; then
	info "before you trust the page, verify it (make verify builds the program):"
	printf '%q ' bin/verify -policy "$state/$KEY_NAME-release-policy.json" -key "$state/$KEY_NAME-pub.pem" "https://$name"
	echo
fi
