# Makes Azure Event Hubs' namespace and event hub, which Kafka's clients use like Kafka.
# 07-kafka.sh sources this file; it is not a program.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

# makeEventHubs: makes the namespace and the event hub, unless they are there. The consumer may only read from this event
# hub, the producer only write to it. There is no connection string: nobody can use Kafka without such an identity.
makeEventHubs() {
	local in=(--resource-group "$RESOURCE_GROUP") hub program role
	makeListed event-hubs "$EVENT_HUBS" "the namespace $EVENT_HUBS" az eventhubs namespace list "${in[@]}" -- \
		az eventhubs namespace create "${in[@]}" --name "$EVENT_HUBS" --location "$LOCATION" --sku Standard --disable-local-auth true
	awaitMade "the namespace $EVENT_HUBS" az eventhubs namespace show "${in[@]}" --name "$EVENT_HUBS"
	# One that was there before may be used with a connection string, by whoever has it.
	require "looking whether $EVENT_HUBS refuses connection strings" az eventhubs namespace show "${in[@]}" --name "$EVENT_HUBS" --query 'to_string(disableLocalAuth)' --output tsv
	[[ $dry || $answer == true ]] || fail "the namespace $EVENT_HUBS accepts connection strings: whoever has one may write and read" \
		"az eventhubs namespace update --resource-group $RESOURCE_GROUP --name $EVENT_HUBS --disable-local-auth true, which locks out its users that have no identity; or set another EVENT_HUBS"
	query "looking for the event hub" az eventhubs eventhub list "${in[@]}" --namespace-name "$EVENT_HUBS" --query '[].name' --output tsv
	if ! listed "$topic"; then
		record event-hub "$RESOURCE_GROUP" "$EVENT_HUBS" "$topic"
		run "making the event hub $topic" az eventhubs eventhub create "${in[@]}" --namespace-name "$EVENT_HUBS" --name "$topic" --partition-count 1 --cleanup-policy Delete --retention-time 24
	fi
	require "looking for its id" az eventhubs eventhub show "${in[@]}" --namespace-name "$EVENT_HUBS" --name "$topic" --query id --output tsv
	hub=$answer
	for program in consumer producer; do
		role="Azure Event Hubs Data Receiver"
		if [[ $program == producer ]]; then role="Azure Event Hubs Data Sender"; fi
		load "$program-principal" 04-identity.sh
		grant "the $program's identity" "$role" "$answer" ServicePrincipal "$hub"
	done
}
