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

((BASH_VERSINFO[0] > 4 || BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] >= 4)) || fail "bash is ${BASH_VERSION}, want 4.4 or newer" "install a newer bash"
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

. "$here/settings.sh"
readSettings
VAULT_HOST=${VAULT_HOST,,} # host names ignore case
if [[ $STRICT == yes ]]; then KEY_STEPS=two; fi # the strict consumer names its key

# On container-group there is no cluster: its manifests are templates of Azure's, in JSON.
group='' overlay=$PLATFORM manifest=yaml
if [[ $PLATFORM == container-group ]]; then group=1 overlay='' manifest=json; fi
topic='kafka-demo-topic'

state=${AZURE_STATE:-$here/state}/$RESOURCE_GROUP
[[ $state == /* ]] || state=$PWD/$state
kubernetes=$state/kubernetes
consumer=$state/consumer.$manifest producer=$state/producer.$manifest
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
	*[Qq]uota*) if [[ $group ]]; then hint="ask for more of Container Instances in $LOCATION (portal, Quotas), or set another LOCATION"; else hint="ask for more cores of the family of $NODE_SIZE in $LOCATION (portal, Quotas), or set another LOCATION"; fi ;;
	*SkuNotAvailable* | *'not available in location'* | *VMSizeNotSupported* | *'VM size of'*'not allowed'*) hint="the region does not have the machine type: set another LOCATION (az vm list-skus --size $NODE_SIZE --output table)" ;;
	*AllocationFailed* | *OverconstrainedAllocation* | *'not available in the location'*) hint="Azure has none free in $LOCATION now: try again later, or set another LOCATION" ;;
	*LocationNotAvailableForResourceType* | *'not available for resource type'*) hint="Azure does not offer this in $LOCATION: set another LOCATION (docs/platforms.md)" ;;
	*InvalidResourceGroupLocation* | *'already exists in location'*) hint="it exists in another region: set LOCATION to that one, or another name" ;;
	*RequestDisallowedByPolicy*) hint="a policy of your organisation forbids it: ask who administers the subscription" ;;
	*ReadOnlyDisabledSubscription* | *SubscriptionNotFound*) hint="the subscription is disabled or not yours: set another SUBSCRIPTION, and az account set --subscription" ;;
	*ForbiddenByRbac* | *AuthorizationFailed* | *'not authorized'*) hint="a role is missing, or too new to work yet: that takes minutes, and up to 24 hours; making resources needs Contributor, giving roles needs Owner or User Access Administrator" ;;
	*AADSTS* | *'az login'*) hint="sign in with az login, and choose the subscription with az account set --subscription $SUBSCRIPTION" ;;
	*DeletedButRecoverable* | *'deleted state'* | *'soft deleted'*) hint="Azure keeps deleted resources for a while: az keyvault recover, az keyvault purge, or another name" ;;
	*AlreadyInUse* | *AlreadyExists* | *'already in use'* | *'already taken'*) hint="the name is taken: set another" ;;
	*InUse*) hint="Azure still releases what used it, which takes up to an hour" ;;
	*'Max retries'* | *'resolve host'* | *'ailed to resolve'* | *'no such host'* | *'Name or service not known'* | *'name resolution'* | *'onnection refused'* | *'onnection timed out'* | *'establish a new connection'* | *'Network is unreachable'* | *'i/o timeout'*) hint="check the network and its proxy (HTTPS_PROXY), and the host names in $settings" ;;
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

# awaitMade WHAT COMMAND...: waits, for WAIT_MINUTES, until the state of a resource, which the command shows, is Succeeded.
awaitMade() {
	local what=$1 tries=$((WAIT_MINUTES * 6))
	shift
	while true; do
		require "looking at the state of $what" "$@" --query provisioningState --output tsv
		if [[ $dry || $answer == Succeeded ]]; then return; fi
		[[ $answer != Failed && $answer != Canceled ]] ||
			fail "Azure did not finish making $what: its state is $answer" "deploy/azure/all down deletes it; then run deploy/azure/$stage again"
		((--tries > 0)) || fail "$what is not ready after $WAIT_MINUTES minutes: its state is $answer" "run deploy/azure/$stage again, which continues where it stopped"
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

# makeListed KIND NAME WHAT LIST-COMMAND... -- COMMAND...: makes a resource of the resource group, unless it is listed.
makeListed() {
	local kind=$1 name=$2 what=$3 list=()
	shift 3
	while [[ $1 != -- ]]; do list+=("$1"); shift; done
	shift
	query "looking for $what" "${list[@]}" --query '[].name' --output tsv
	if listed "$name"; then return; fi
	record "$kind" "$RESOURCE_GROUP" "$name"
	run "making $what" "$@"
}

# sidecarImage: prints the sidecar's image, as the manifests name it.
sidecarImage() { sed -n 's/^SKR_IMAGE=//p' "$here/../kubernetes/components/settings/settings.env"; }

# trustedSender: prints the producer's name and public signing key, for a strict consumer.
trustedSender() { echo kafka-producer && openssl pkey -in "$state/signing.pem" -pubout; }

# printVerify URL: prints the command that verifies the page.
printVerify() {
	if [[ $dry ]]; then return; fi
	info "before you trust the page, verify it (make verify builds the program):"
	printf '%q ' bin/verify -policy "$state/$KEY_NAME-release-policy.json" -key "$state/$KEY_NAME-pub.pem" "$1"
	echo
}

# checkUnchanged: fails if the consumer's manifest is not the measured file.
checkUnchanged() {
	load measured 08-measure.sh
	[[ $dry || -e $consumer ]] || fail "there is no ${consumer##*/}" "run deploy/azure/08-measure.sh"
	[[ $dry || $answer == "$(sha256sum <"$consumer")" ]] ||
		fail "$consumer is not the file that was measured, so its pod would get no key" "rm -f $consumer; then run deploy/azure/08-measure.sh, which recreates it"
}

# Both define the same functions.
if [[ $group ]]; then . "$here/container-group.sh"; else . "$here/cluster.sh"; fi
