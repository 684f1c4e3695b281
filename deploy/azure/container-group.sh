# The platform container-group: what the stages need of it. cluster.sh has the same functions for the others. lib.sh
# sources this file; it is not a program.
# shellcheck shell=bash disable=SC2154,SC2034 # lib.sh sets the rest; the stages use $answer
set -euo pipefail

templates=$here/container-group

# prepare NAME=VALUE...: keeps the values for the templates. Variables without a value are left out of them.
prepare() {
	if [[ $dry ]]; then return; fi
	local setting brokers=()
	if [[ $KAFKA == event-hubs ]]; then
		brokers=("BROKERS=$EVENT_HUBS.servicebus.windows.net:9093" KAFKA_PRESET=event-hubs KAFKA_AZURE_IDENTITY=managed)
	else
		brokers=("BROKERS=$KAFKA")
		if [[ $KAFKA_TLS == yes ]]; then brokers+=(KAFKA_SECURITY_PROTOCOL=SSL); fi
	fi
	load consumer-id 04-identity.sh
	set -- "$@" "CONSUMER_ID=$answer"
	load producer-id 04-identity.sh
	set -- "$@" "PRODUCER_ID=$answer" "SERVER=$server" "SKR_IMAGE=$(sidecarImage)" "LOCATION=$LOCATION" "TOPIC=$topic" "PAGE_NAME=$PAGE_NAME" "PAGE_USER=$PAGE_USER" "${brokers[@]}"
	if [[ $STRICT == yes ]]; then set -- "$@" "TRUSTED_SENDERS=$(trustedSender)"; fi
	for setting; do jq -n --arg name "${setting%%=*}" --arg value "${setting#*=}" '{($name): $value}'; done | jq -s add >"$state/values.json"
}

# template NAME JQ-ARGUMENTS...: prints a template with the values.
template() { jq -n --slurpfile values "$state/values.json" "${@:2}" "\$values[0] as \$v | $(<"$templates/$1.jq")"; }

# renderUnmeasured FILE: renders the consumer's template without a policy.
renderUnmeasured() { [[ $dry ]] || template consumer --arg policy '' >"$1"; }
# renderConsumer POLICY FILE: renders the template with that policy.
renderConsumer() { [[ $dry ]] || template consumer --arg policy "$1" >"$2"; }
# generatePolicy FILE: stores the policy for a template in $answer. Without --disable-stdio it would allow reading logs.
generatePolicy() { require "generating the security policy" az confcom acipolicygen --template-file "$1" --disable-stdio --print-policy; }
# policyOf FILE: prints the policy in a template.
policyOf() { jq -r '.resources[0].properties.confidentialComputeProperties.ccePolicy' "$1"; }
# renderProducer PUBLIC-KEY: renders the producer's template.
renderProducer() { [[ $dry ]] || template producer --rawfile publicKey "$1" >"$producer"; }

# groupState NAME: stores the state of a container group in $answer, which is empty at first. It fails if its programs have
# stopped.
groupState() {
	local is in=(--resource-group "$RESOURCE_GROUP" --name "$1")
	query "looking at the state of the container group $1" az container show "${in[@]}" --query "instanceView.state || ''" --output tsv
	case $answer in Failed | Stopped | Succeeded) ;; *) return ;; esac
	is=$answer
	query "looking why" az container show "${in[@]}" --query "[instanceView.events, containers[].instanceView.events[]][].message" --output tsv
	rm -f "$state/deployed-$1"
	fail "the container group $1 does not run: its state is $is${answer:+: ${answer//$'\n'/; }}" "remove the cause (az container logs, unless its policy forbids them), then run deploy/azure/$stage again, which deletes it and deploys it again"
}

# deployGroup NAME FILE [PARAMETERS]: deploys a container group, unless it is the one that runs. Its sku and its policy
# cannot be changed, so an existing group is deleted first.
deployGroup() {
	local file=$2 hash tries=$((WAIT_MINUTES * 6)) in=(--resource-group "$RESOURCE_GROUP" --name "$1")
	[[ $dry ]] || hash=$(cat "$file" ${3:+"$3"} | sha256sum)
	query "looking for the container group $1" az container list --resource-group "$RESOURCE_GROUP" --query '[].name' --output tsv
	if listed "$1"; then
		recorded container-group "$RESOURCE_GROUP" "$1" || fail "there is a container group $1 already, which was not deployed by these scripts" "delete it, or set another RESOURCE_GROUP"
		if [[ -e $state/deployed-$1 && $(<"$state/deployed-$1") == "$hash" ]]; then
			groupState "$1"
			info "the container group $1 is the one that was deployed; its state is ${answer:-not known}"
			return
		fi
		rm -f "$state/deployed-$1"
		run "deleting the container group $1, which cannot be changed" az container delete "${in[@]}" --yes
	fi
	record container-group "$RESOURCE_GROUP" "$1"
	run "deploying the container group $1" az deployment group create "${in[@]}" --template-file "$file" ${3:+--parameters "@$3"} --output none
	while true; do
		groupState "$1"
		if [[ $dry || $answer == Running ]]; then break; fi
		((--tries > 0)) || fail "the container group $1 does not run after $WAIT_MINUTES minutes: its state is ${answer:-not known}" "az container show --resource-group $RESOURCE_GROUP --name $1 says more; deploy/azure/$stage deploys it again"
		sleep "${POLL_SECONDS:-10}"
	done
	[[ $dry ]] || save "deployed-$1" "$hash"
}

# deployPrograms: deploys the measured consumer and the producer.
deployPrograms() {
	local parameters=''
	deployGroup kafka-golang-consumer "$consumer"
	if [[ $STRICT == yes ]]; then
		parameters=$work/parameters.json
		[[ $dry ]] || (umask 077 && jq -n --arg key "$(base64 <"$state/signing.pem" | tr -d '\n')" '{signingKey: {value: $key}}' >"$parameters")
	fi
	deployGroup kafka-producer "$producer" "$parameters"
}

# deployOrdinary: deploys the same consumer in an ordinary container group, without sidecar and policy.
deployOrdinary() {
	[[ $dry ]] || jq '.resources[0].properties |= (del(.confidentialComputeProperties) | .sku = "Standard" | .containers |= [.[0] | del(.properties.securityContext)])' "$consumer" >"$state/ordinary.json"
	deployGroup kafka-golang-consumer "$state/ordinary.json"
}
deployed() { recorded container-group "$RESOURCE_GROUP" kafka-golang-consumer; }

# printAddress: prints the page's address as Azure has it, and the command that verifies the page.
printAddress() {
	local name address host
	load page-domain 02-cluster.sh
	host=$PAGE_NAME.$answer
	require "looking for the page's address" az container show --resource-group "$RESOURCE_GROUP" --name kafka-golang-consumer --query '[ipAddress.fqdn, ipAddress.ip]' --output tsv
	{ read -r name; read -r address; } <<<"$answer"$'\n'
	[[ $dry || $name == "$host" ]] || fail "the container group's name is $name, and the page answers to $host only" "set another PAGE_NAME, then run all again"
	report "open https://$host:3443 (address $address), from anywhere, with the name and password of PAGE_USER; deploy/azure/15-clean-up.sh deletes everything that these scripts made" "print the address of the page, and the command that verifies it"
	printVerify "https://$host:3443"
}
