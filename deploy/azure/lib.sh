# Settings, running commands, and the record of created resources. The stages
# source this file; it is not a program.
#
# A stage checks whether a resource exists before it creates it, and records the
# resource first. So clean-up finds even half-created resources, and no others.
# shellcheck shell=bash disable=SC2034 # the stages use the settings
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=$(basename "$0")

info() { printf '%s: %s\n' "$stage" "$*"; }
# report DONE WOULD: prints the result of the stage, or of a dry run.
report() { if [[ $dry ]]; then info "dry run: nothing was run; it would $2"; else info "$1"; fi; }
# fail CAUSE [HINT]: ends the stage.
fail() {
	printf '%s: %s\n' "$stage" "$1" >&2
	if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
	exit 1
}

((BASH_VERSINFO[0] > 4 || BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] >= 4)) || fail "bash is ${BASH_VERSION}, want 4.4 or newer" "macOS: brew install bash"
dry=
case "$#:${1:-}" in
0:) ;;
1:--dry-run) dry=1 ;;
1:-h | 1:--help)
	awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
	printf '\n  deploy/azure/%s [--dry-run]\n\nIts settings are in deploy/azure/env; env.example explains each. A dry run prints the commands of a first run, and runs none.\n' "$stage"
	exit
	;;
*) fail "the arguments are unknown" "the only one is --dry-run, which prints every command of a first run and runs none" ;;
esac
. "$here/ranges.sh"

settings=${AZURE_SETTINGS:-$here/env}
[[ -r $settings ]] || fail "the settings $settings cannot be read" "cp deploy/azure/env.example deploy/azure/env, and edit the copy"

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
		elif [[ ! $line =~ ^[[:space:]]*(#.*)?$ ]]; then
			problems+=("a line is not NAME=value: it begins with '${line:0:12}'")
		fi
	done <"$settings"
	while IFS='	' read -r name pattern meaning; do
		pattern=${pattern//HOST/$host}
		if [[ ! -v given[$name] ]]; then
			problems+=("$name is missing: want $meaning")
			continue
		elif [[ $pattern == RANGE ]] && isRange "${given[$name]}"; then
			: # a pattern cannot check the bits behind the prefix
		elif [[ ! ${given[$name]} =~ ^($pattern)$ ]]; then
			if [[ -n ${given[$name]} ]]; then problems+=("$name is wrong: want $meaning"); else problems+=("$name is empty: want $meaning"); fi
		fi
		declare -g "$name=${given[$name]}"
		unset "given[$name]"
	done <<-'END'
		SUBSCRIPTION	[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}	a subscription's id (az account list --output table)
		LOCATION	[a-z0-9]+	a region's short name, such as eastus
		RESOURCE_GROUP	[a-zA-Z0-9_-]{1,80}	1 to 80 letters, digits, _ and -
		CLUSTER_IS	new|existing	new or existing
		CLUSTER	[a-zA-Z0-9][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9]	2 to 63 letters, digits, _ and -
		NODE_POOL	[a-z][a-z0-9]{0,11}	1 to 12 small letters and digits
		NODE_SIZE	Standard_[A-Za-z0-9_]+	a machine type with confidential child machines, such as Standard_DC8as_cc_v5
		NODE_COUNT	[1-9][0-9]?	1 to 99
		KUBERNETES_VERSION	|1\.(2[5-9]|[3-9][0-9])(\.[0-9]+)?	nothing, or 1.25 or newer
		REGISTRY	[a-z0-9]{5,50}	5 to 50 small letters and digits, without .azurecr.io
		IMAGE_TAG	[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}	a tag for the images
		IDENTITY	[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}	3 to 128 letters, digits, _ and -
		ATTESTATION_HOST	|HOST	nothing, or a host name without https://
		ATTESTATION_NAME	|[a-z0-9]{3,24}	nothing, or 3 to 24 small letters and digits
		VAULT_HOST	[a-zA-Z][a-zA-Z0-9-]{2,23}\.(vault|managedhsm)\.azure\.net	NAME.vault.azure.net or NAME.managedhsm.azure.net, without https://
		KEY_NAME	[a-zA-Z0-9-]{1,127}	1 to 127 letters, digits and -
		KEY_STEPS	one|two	one or two
		PAGE_NAME	[a-z][a-z0-9-]{1,61}[a-z0-9]	3 to 63 small letters, digits and -
		PRINCIPAL	|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}	nothing, or an object id (az ad user show)
		SOURCE_RANGE	RANGE	a range of addresses such as 203.0.113.7/32 or 2001:db8::/64, whose bits behind the prefix are 0
		VIEWER_NAMESPACE	None|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?	None or the name of a namespace
		STRICT	yes|no	yes or no
		WAIT_MINUTES	[1-9][0-9]{0,3}	minutes, 1 to 9999
	END
	for name in "${!given[@]}"; do problems+=("$name is not a setting"); done
	[[ -n ${ATTESTATION_HOST:-}${ATTESTATION_NAME:-} ]] || problems+=("ATTESTATION_HOST and ATTESTATION_NAME are both empty: want one of them")
	[[ -z ${ATTESTATION_HOST:-} || -z ${ATTESTATION_NAME:-} ]] || problems+=("ATTESTATION_HOST and ATTESTATION_NAME are both set: empty one of them")
	if [[ ${#problems[@]} -gt 0 ]]; then
		printf "$stage: %s\n" "${problems[@]}" >&2
		fail "nothing was done" "correct $settings; env.example explains each name"
	fi
}
readSettings
VAULT_HOST=${VAULT_HOST,,} # host names ignore case
if [[ $STRICT == yes ]]; then KEY_STEPS=two; fi # the strict consumer names its key

state=${AZURE_STATE:-$here/state}/$RESOURCE_GROUP
[[ $state == /* ]] || state=$PWD/$state
kubernetes=$state/kubernetes
vault=${VAULT_HOST%%.*} hsm='' vaultFlags=(--vault-name "${VAULT_HOST%%.*}")
if [[ $VAULT_HOST == *.managedhsm.azure.net ]]; then hsm=1 vaultFlags=(--hsm-name "$vault"); fi
server=$REGISTRY.azurecr.io
export KUBECONFIG=$state/kubeconfig
# az prints only errors, and installs no extensions.
export AZURE_CORE_ONLY_SHOW_ERRORS=true AZURE_CORE_NO_COLOR=true AZURE_EXTENSION_USE_DYNAMIC_INSTALL=no
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ $dry ]] || mkdir -p "$state"

# explain WHAT FILE: ends the stage with the output of a failed command and a hint.
explain() {
	local said hint
	said=$(<"$2")
	case $said in
	*[Qq]uota*) hint="ask for more cores of the family of $NODE_SIZE in $LOCATION (portal, Quotas), or set another LOCATION" ;;
	*SkuNotAvailable* | *'not available in location'* | *VMSizeNotSupported* | *'VM size of'*'not allowed'*) hint="the region does not have the machine type: set another LOCATION (az vm list-skus --size $NODE_SIZE --output table)" ;;
	*ForbiddenByRbac* | *AuthorizationFailed* | *'not authorized'*) hint="a role is missing, or too new to work yet: that takes minutes, and up to 24 hours; making resources needs Contributor, giving roles needs Owner or User Access Administrator" ;;
	*AADSTS* | *'az login'*) hint="sign in with az login" ;;
	*DeletedButRecoverable* | *'deleted state'* | *'soft deleted'*) hint="Azure keeps deleted resources for a while: az keyvault recover, az keyvault purge, or another name" ;;
	*AlreadyInUse* | *AlreadyExists* | *'already in use'* | *'already taken'*) hint="the name is taken: set another" ;;
	*'Max retries'* | *'resolve host'* | *'no such host'* | *'onnection refused'*) hint="check the network and the host names in $settings" ;;
	*) hint="remove the cause" ;;
	esac
	fail "$1 failed: $said" "$hint; then run deploy/azure/$stage again, which continues where it stopped"
}

printCommand() { printf '%q ' "$@"; echo; }

# run WHAT COMMAND...: runs a command that changes something. A dry run prints it.
run() {
	local what=$1
	shift
	if [[ $dry ]]; then
		printf '# %s: would be %s\n' "$stage" "$what"
		printCommand "$@"
		return
	fi
	info "$what"
	"$@" >"$work/said" 2>&1 || explain "$what" "$work/said"
}

# query WHAT COMMAND...: stores the output of a command in $answer. In a dry run it is empty.
query() {
	local what=$1
	shift
	answer=
	if [[ $dry ]]; then printCommand "$@"; return; fi
	"$@" >"$work/answer" 2>"$work/said" || explain "$what" "$work/said"
	answer=$(<"$work/answer")
}

# require WHAT COMMAND...: like query, but an empty answer is a failure.
require() {
	query "$@"
	if [[ $dry ]]; then answer="<$1>"; fi
	[[ -n $answer ]] || fail "$1 failed: the answer is empty" "run the earlier stages again, then deploy/azure/$stage"
}

# await WHAT PATTERN COMMAND...: like require, but repeats the command until it answers, for WAIT_MINUTES. It tolerates
# failures that match the pattern.
await() {
	local what=$1 pattern=$2 tries=$((WAIT_MINUTES * 6))
	shift 2
	if [[ $dry ]]; then printCommand "$@"; answer="<$what>"; return; fi
	while true; do
		if "$@" >"$work/answer" 2>"$work/said"; then
			answer=$(<"$work/answer")
			if [[ -n $answer ]]; then return; fi
			echo 'there is no answer yet' >"$work/said"
		elif [[ ! $(<"$work/said") =~ $pattern ]]; then
			explain "$what" "$work/said"
		fi
		((--tries > 0)) || explain "$what, for $WAIT_MINUTES minutes," "$work/said"
		sleep "${POLL_SECONDS:-10}"
	done
}

# listed NAME: whether a line of $answer is the name. Azure ignores case in names.
listed() { grep -qixF -- "$1" <<<"$answer"; }

# The record has one line for each created resource, with tabs between the fields.
joinTabs() { local IFS=$'\t'; printf '%s' "$*"; }
recorded() { [[ -e $state/made ]] && grep -qxF -- "$(joinTabs "$@")" "$state/made"; }
record() {
	if [[ $dry ]] || recorded "$@"; then return; fi
	(joinTabs "$@"; echo) >>"$state/made"
}

# save NAME VALUE: saves a value for later stages. load NAME STAGE: stores it in $answer; STAGE is the script that saves it.
save() { [[ $dry ]] || printf '%s\n' "$2" >"$state/$1"; }
load() {
	if [[ $dry ]]; then answer="<$1>"; return; fi
	[[ -s $state/$1 ]] || fail "there is no $1 yet" "run deploy/azure/$2 first"
	answer=$(<"$state/$1")
}

checkSubscription() {
	query "looking who is signed in" az account show --query id --output tsv
	[[ $dry || ${answer,,} == "${SUBSCRIPTION,,}" ]] || fail "az uses another subscription than SUBSCRIPTION" "az account set --subscription $SUBSCRIPTION"
}

# grant WHOM ROLE OBJECT-ID TYPE SCOPE: assigns a role, unless it is assigned already.
grant() {
	query "looking for the role $2" az role assignment list --role "$2" --assignee "$3" --scope "$5" --query '[].id' --output tsv
	if [[ -n $answer ]]; then return; fi
	record role "$2" "$3" "$5"
	run "giving $1 the role $2" az role assignment create --role "$2" --assignee-object-id "$3" --assignee-principal-type "$4" --scope "$5"
}

# render OVERLAY FILE TARGET...: renders an overlay without the objects that the targets select.
render() {
	local overlay=$1 file=$2 part=$kubernetes/overlays/part target
	shift 2
	if [[ ! $dry ]]; then
		mkdir -p "$part"
		{
			printf 'resources: [../%s]\npatches:\n' "$overlay"
			for target; do printf "  - target: {%s}\n    patch: '{\$patch: delete, kind: any, metadata: {name: any}}'\n" "$target"; done
		} >"$part/kustomization.yaml"
	fi
	require "rendering $overlay" kubectl kustomize "$part"
	[[ $dry ]] || printf '%s\n' "$answer" >"$file"
}

# checkUnchanged: fails if the consumer's manifest is not the measured file.
checkUnchanged() {
	load measured 08-measure.sh
	[[ $dry || -e $state/consumer.yaml ]] || fail "there is no consumer.yaml" "run deploy/azure/08-measure.sh"
	[[ $dry || $answer == "$(sha256sum <"$state/consumer.yaml")" ]] ||
		fail "$state/consumer.yaml is not the file that was measured, so its pod would get no key" "rm -f $state/consumer.yaml; then run deploy/azure/08-measure.sh, which recreates it"
}
