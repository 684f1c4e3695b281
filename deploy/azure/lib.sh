# Shared by the stages, which source it: settings, running commands, and the
# record of what was made. Not a program.
#
# A stage asks before it makes something, and writes into the record what it is
# about to make, so that clean-up finds even what was half made, and nothing else.
# shellcheck shell=bash disable=SC2034 # settings are used by the stages
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=$(basename "$0")

say() { printf '%s: %s\n' "$stage" "$*"; }
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
*) fail "the arguments are unknown" "there is one: --dry-run prints every command of a first run and runs none" ;;
esac

settings=${AZURE_SETTINGS:-$here/env}
[[ -r $settings ]] || fail "the settings $settings cannot be read" "cp deploy/azure/env.example deploy/azure/env, and edit the copy"

# readSettings: the file is read, not run. All problems are told together, by name and never by value.
readSettings() {
	local -A given=()
	local problems=() line name pattern meaning host='[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+'
	while IFS= read -r line || [[ -n $line ]]; do
		line=${line%$'\r'}
		if [[ $line =~ ^([A-Z_]+)=(.*)$ ]]; then
			name=${BASH_REMATCH[1]}
			if [[ -v given[$name] ]]; then problems+=("$name is there twice"); fi
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
		VAULT_HOST	[a-z][a-z0-9-]{2,23}\.(vault|managedhsm)\.azure\.net	NAME.vault.azure.net or NAME.managedhsm.azure.net, without https://
		KEY_NAME	[a-zA-Z0-9-]{1,127}	1 to 127 letters, digits and -
		PRINCIPAL	|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}	nothing, or an object id (az ad user show)
		SOURCE_RANGE	([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}	a range of addresses such as 203.0.113.7/32
		WAIT_MINUTES	[1-9][0-9]{0,3}	minutes, 1 to 9999
	END
	for name in "${!given[@]}"; do problems+=("$name is no setting"); done
	[[ -n ${ATTESTATION_HOST:-}${ATTESTATION_NAME:-} ]] || problems+=("ATTESTATION_HOST and ATTESTATION_NAME are both empty: want one of them")
	[[ -z ${ATTESTATION_HOST:-} || -z ${ATTESTATION_NAME:-} ]] || problems+=("ATTESTATION_HOST and ATTESTATION_NAME are both set: empty one of them")
	if [[ ${#problems[@]} -gt 0 ]]; then
		printf "$stage: %s\n" "${problems[@]}" >&2
		fail "nothing was done" "correct $settings; env.example explains each name"
	fi
}
readSettings

state=${AZURE_STATE:-$here/state}/$RESOURCE_GROUP
[[ $state == /* ]] || state=$PWD/$state
kubernetes=$state/kubernetes
vault=${VAULT_HOST%%.*}
server=$REGISTRY.azurecr.io
export KUBECONFIG=$state/kubeconfig
# az says errors alone, and installs no extension by itself.
export AZURE_CORE_ONLY_SHOW_ERRORS=true AZURE_CORE_NO_COLOR=true AZURE_EXTENSION_USE_DYNAMIC_INSTALL=no
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ $dry ]] || mkdir -p "$state"

# explain WHAT FILE: ends the stage with what a command said and what to do about it.
explain() {
	local said hint
	said=$(<"$2")
	case $said in
	*[Qq]uota*) hint="ask for more cores of the family of $NODE_SIZE in $LOCATION (portal, Quotas), or set another LOCATION" ;;
	*SkuNotAvailable* | *'not available in location'* | *VMSizeNotSupported* | *'VM size of'*'not allowed'*) hint="the region does not have the machine type: set another LOCATION (az vm list-skus --size $NODE_SIZE --output table)" ;;
	*ForbiddenByRbac* | *AuthorizationFailed* | *'not authorized'*) hint="a role is missing, or too new to work yet: that takes minutes, and up to 24 hours; making resources needs Contributor, giving roles needs Owner or User Access Administrator" ;;
	*AADSTS* | *'az login'*) hint="sign in with az login" ;;
	*DeletedButRecoverable* | *'deleted state'* | *'soft deleted'*) hint="Azure keeps what was deleted for a while: az keyvault recover, az keyvault purge, or another name" ;;
	*AlreadyInUse* | *AlreadyExists* | *'already in use'* | *'already taken'*) hint="somebody else has the name: set another" ;;
	*'Max retries'* | *'resolve host'* | *'no such host'* | *'onnection refused'*) hint="check the network and the host names in $settings" ;;
	*) hint="remove the cause" ;;
	esac
	fail "$1 failed: $said" "$hint; then run deploy/azure/$stage again, which goes on where it stopped"
}

show() { printf '%q ' "$@"; echo; }

# change WHAT COMMAND...: runs a command that changes something.
change() {
	local what=$1
	shift
	if [[ $dry ]]; then show "$@"; return; fi
	say "$what"
	"$@" >"$work/said" 2>&1 || explain "$what" "$work/said"
}

# look WHAT COMMAND...: puts what the command prints into $answer; a dry run finds nothing.
look() {
	local what=$1
	shift
	answer=
	if [[ $dry ]]; then show "$@"; return; fi
	"$@" >"$work/answer" 2>"$work/said" || explain "$what" "$work/said"
	answer=$(<"$work/answer")
}

# need WHAT COMMAND...: the same, where no answer is a failure.
need() {
	look "$@"
	if [[ $dry ]]; then answer="<$1>"; fi
	[[ -n $answer ]] || fail "$1 failed: the answer is empty" "run deploy/azure/$stage again, and the stages before it"
}

# await WHAT PATTERN COMMAND...: like need, again and again until there is an answer; of failures it bears those of the pattern.
await() {
	local what=$1 pattern=$2 tries=$((WAIT_MINUTES * 6))
	shift 2
	if [[ $dry ]]; then show "$@"; answer="<$what>"; return; fi
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

# listed NAME: whether $answer has it as a line; names in Azure know no capitals.
listed() { grep -qixF -- "$1" <<<"$answer"; }

# The record: one line for each thing made, its parts divided by tabs.
line() { local IFS=$'\t'; printf '%s' "$*"; }
made() { [[ -e $state/made ]] && grep -qxF -- "$(line "$@")" "$state/made"; }
record() {
	if [[ $dry ]] || made "$@"; then return; fi
	(line "$@"; echo) >>"$state/made"
}

# keep NAME VALUE, for later stages; kept NAME STAGE: puts it into $answer.
keep() { [[ $dry ]] || printf '%s\n' "$2" >"$state/$1"; }
kept() {
	if [[ $dry ]]; then answer="<$1>"; return; fi
	[[ -s $state/$1 ]] || fail "there is no $1 yet" "run deploy/azure/$2 first"
	answer=$(<"$state/$1")
}

subscription() {
	look "looking who is signed in" az account show --query id --output tsv
	[[ $dry || ${answer,,} == "${SUBSCRIPTION,,}" ]] || fail "az works on another subscription than SUBSCRIPTION" "az account set --subscription $SUBSCRIPTION"
}

# grant WHOM ROLE OBJECT-ID TYPE SCOPE: gives a role, unless it is there.
grant() {
	look "looking for the role $2" az role assignment list --role "$2" --assignee "$3" --scope "$5" --query '[].id' --output tsv
	if [[ -n $answer ]]; then return; fi
	record role "$2" "$3" "$5"
	change "giving $1 the role $2" az role assignment create --role "$2" --assignee-object-id "$3" --assignee-principal-type "$4" --scope "$5"
}

# render OVERLAY FILE TARGET...: an overlay without the objects that the targets select.
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
	need "rendering $overlay" kubectl kustomize "$part"
	[[ $dry ]] || printf '%s\n' "$answer" >"$file"
}

# unchanged: the consumer's manifest is still the one that was measured.
unchanged() {
	kept measured 08-measure.sh
	[[ $dry || -e $state/consumer.yaml ]] || fail "there is no consumer.yaml" "run deploy/azure/08-measure.sh"
	[[ $dry || $answer == "$(sha256sum <"$state/consumer.yaml")" ]] ||
		fail "$state/consumer.yaml is not the file that was measured, so its pod would get no key" "rm -f $state/consumer.yaml; then run deploy/azure/08-measure.sh, which makes it again"
}
