# Reads and checks the settings. lib.sh sources this file; it is not a program.
# shellcheck shell=bash disable=SC2154 # lib.sh sets the rest
set -euo pipefail

# readSettings: reads the file without executing it. It reports all problems together, by name and never by value.
readSettings() {
	local -A given=()
	local problems=() line name pattern meaning host='[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+'
	while IFS= read -r line || [[ -n $line ]]; do
		line=${line%$'\r'}
		if [[ $line =~ ^([A-Z_]+)=(.*)$ ]]; then
			name=${BASH_REMATCH[1]}
			if [[ -v given[$name] ]]; then problems+=("$name is set twice"); fi
			given[$name]=${BASH_REMATCH[2]}
			if [[ ${given[$name]} == [\"\']* ]]; then problems+=("$name begins with a quotation mark: want none, this file is not a shell's"); fi
		elif [[ ! $line =~ ^[[:space:]]*(#.*)?$ ]]; then
			problems+=("a line is not NAME=value: it begins with '${line:0:12}'")
		fi
	done <"$settings"
	while IFS='	' read -r name pattern meaning; do
		pattern=${pattern//HOST/$host}
		if [[ ! -v given[$name] ]]; then
			problems+=("$name is missing: want $meaning")
			continue
		fi
		# A pattern cannot check the bits behind a range's prefix.
		if [[ $pattern == RANGE ]]; then isRange "${given[$name]}"; else [[ ${given[$name]} =~ ^($pattern)$ ]]; fi ||
			if [[ -n ${given[$name]} ]]; then problems+=("$name is wrong: want $meaning"); else problems+=("$name is empty: want $meaning"); fi
		declare -g "$name=${given[$name]}"
		unset "given[$name]"
	done <<-'END'
		SUBSCRIPTION	[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}	a subscription's id (az account list --output table)
		LOCATION	[a-z0-9]+	a region's short name, such as eastus
		RESOURCE_GROUP	[a-zA-Z0-9_-]{1,80}	1 to 80 letters, digits, _ and -
		PLATFORM	container-group|confidential-aci|kata-cc	container-group, confidential-aci or kata-cc
		CLUSTER_IS	new|existing	new or existing
		CLUSTER	[a-zA-Z0-9][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9]	2 to 63 letters, digits, _ and -
		NODE_POOL	[a-z][a-z0-9]{0,11}	1 to 12 small letters and digits
		NODE_SIZE	Standard_[A-Za-z0-9_]+	a machine type, such as Standard_D8s_v5
		NODE_COUNT	[1-9][0-9]?	1 to 99
		KUBERNETES_VERSION	|1\.(2[5-9]|[3-9][0-9])(\.[0-9]+)?	nothing, or 1.25 or newer
		VIRTUAL_NODES_VERSION	[0-9]+(\.[0-9]+){2}	a version of the chart virtualnode, such as 1.3406.26050102
		REGISTRY	[a-z0-9]{5,50}	5 to 50 small letters and digits, without .azurecr.io
		IMAGE_TAG	[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}	a tag for the images
		IDENTITY	[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}	3 to 128 letters, digits, _ and -
		ATTESTATION_HOST	|HOST	nothing, or a host name without https://
		ATTESTATION_NAME	|[a-z0-9]{3,24}	nothing, or 3 to 24 small letters and digits
		VAULT_HOST	[a-zA-Z][a-zA-Z0-9-]{2,23}\.(vault|managedhsm)\.azure\.net	NAME.vault.azure.net or NAME.managedhsm.azure.net, without https://
		KEY_NAME	[a-zA-Z0-9-]{1,127}	1 to 127 letters, digits and -
		KEY_STEPS	one|two	one or two
		KAFKA	strimzi|event-hubs|HOST:[0-9]{1,5}(,HOST:[0-9]{1,5})*	strimzi, event-hubs, or addresses such as kafka.example.com:9093 with commas between them
		KAFKA_TLS	yes|no	yes or no
		KAFKA_ADDRESS	[0-9]{1,3}(\.[0-9]{1,3}){3}	an address in the cluster's subnet
		EVENT_HUBS	|[a-zA-Z][a-zA-Z0-9-]{4,48}[a-zA-Z0-9]	nothing, or 6 to 50 letters, digits and -
		PAGE_NAME	[a-z][a-z0-9-]{1,61}[a-z0-9]	3 to 63 small letters, digits and -
		PRINCIPAL	|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}	nothing, or an object id (az ad user show)
		SOURCE_RANGE	RANGE	a range of addresses such as 203.0.113.7/32 or 2001:db8::/64, whose bits behind the prefix are 0
		VIEWER_NAMESPACE	None|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?	None or the name of a namespace
		PAGE_USER	|[A-Za-z0-9._-]{1,64}:\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}	nothing, or NAME:HASH as htpasswd -nB prints it
		STRICT	yes|no	yes or no
		WAIT_MINUTES	[1-9][0-9]{0,3}	minutes, 1 to 9999
	END
	for name in "${!given[@]}"; do problems+=("$name is not a setting"); done
	[[ -n ${ATTESTATION_HOST:-}${ATTESTATION_NAME:-} ]] || problems+=("ATTESTATION_HOST and ATTESTATION_NAME are both empty: want one of them")
	[[ -z ${ATTESTATION_HOST:-} || -z ${ATTESTATION_NAME:-} ]] || problems+=("ATTESTATION_HOST and ATTESTATION_NAME are both set: empty one of them")
	checkPlatform
	if [[ ${#problems[@]} -gt 0 ]]; then
		printf "$stage: %s\n" "${problems[@]}" >&2
		fail "nothing was done" "correct $settings; env.example explains each name"
	fi
}
# checkPlatform: adds the settings that do not fit the platform to the problems.
checkPlatform() {
	local kafka=${KAFKA:-}
	if [[ $kafka == *:* ]]; then kafka=address; fi
	case ${PLATFORM:-}:$kafka in
	: | *: | :* | kata-cc:strimzi | confidential-aci:strimzi | confidential-aci:event-hubs | container-group:event-hubs | container-group:address) ;;
	kata-cc:*) problems+=("KAFKA does not fit PLATFORM: kata-cc has strimzi only") ;;
	confidential-aci:*) problems+=("KAFKA does not fit PLATFORM: confidential-aci has strimzi or event-hubs") ;;
	container-group:*) problems+=("KAFKA does not fit PLATFORM: container-group has event-hubs, or Kafka's addresses") ;;
	esac
	[[ $kafka != event-hubs || -n ${EVENT_HUBS:-} ]] || problems+=("EVENT_HUBS is empty, and KAFKA is event-hubs")
	if [[ ${PLATFORM:-} == container-group ]]; then
		# The address of a container group is public, and Azure restricts it to no range.
		[[ ${SOURCE_RANGE:-0.0.0.0/0} == 0.0.0.0/0 ]] || problems+=("SOURCE_RANGE cannot be kept: anyone may reach the page of a container group; want 0.0.0.0/0, which says so")
		[[ -n ${PAGE_USER:-} ]] || problems+=("PAGE_USER is empty, and anyone may reach the page of a container group")
	elif [[ ${PLATFORM:-} == confidential-aci ]]; then
		[[ -n ${PAGE_USER:-} ]] || problems+=("PAGE_USER is empty, and every pod of the cluster reaches a page on virtual nodes")
	fi
	if [[ ${PLATFORM:-} == confidential-aci || ${PLATFORM:-} == container-group ]]; then
		# No network policy applies to a container group, also as a pod.
		[[ ${VIEWER_NAMESPACE:-None} == None ]] || problems+=("VIEWER_NAMESPACE cannot be kept: no network policy applies to the page's container group; want None")
	fi
}
