#!/usr/bin/env bash
# Checks the operating system, programs, versions, extensions, registrations, the
# machine type and its quota before anything is created. Changes nothing, costs
# nothing.
. "$(dirname "$0")/lib.sh"

problems=()
# atLeast HAVE WANT: whether version HAVE is at least WANT.
atLeast() { [[ -n $1 && $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

if [[ ! $dry ]]; then
	# The generators of policies are programs for Linux. Elsewhere only 08-measure.sh, an hour later, would fail.
	[[ $(uname -s) == Linux ]] || fail "this is $(uname -s), and security policies are generated on Linux only" "run the stages on Linux; Windows: in WSL, macOS: in a virtual machine with Linux"
	tools=(az docker jq openssl curl base64 sha256sum od)
	if [[ ! $group ]]; then tools+=(kubectl); fi
	if [[ $PLATFORM == confidential-aci ]]; then tools+=(helm); fi
	for tool in "${tools[@]}"; do
		command -v "$tool" >/dev/null || problems+=("$tool is not installed")
	done
	[[ ${#problems[@]} -eq 0 ]] || { printf "$stage: %s\n" "${problems[@]}" >&2; fail "programs are missing" "install them, then run this again"; }
	"$here/../docker/engine" || fail "the images cannot be built without Docker" "see the line above"
	"$here/../buildkit" >/dev/null || fail "the images cannot be built without BuildKit" "see the line above"
fi

# The article requires 2.44.1, but the extension "attestation" needs 2.55.0.
query "looking for versions" az version --output json
if [[ ! $dry ]]; then
	have=$(jq -r '."azure-cli" // ""' <<<"$answer")
	atLeast "$have" 2.55.0 || problems+=("azure-cli is ${have:-unknown}, want 2.55.0 or newer: az upgrade")
	extensions=(confcom:1.2.0)
	if [[ $PLATFORM == kata-cc ]]; then extensions=(aks-preview:0.5.169 confcom:0.3.3); fi
	if [[ -n $ATTESTATION_NAME ]]; then extensions+=(attestation:0.0.0); fi
	for extension in "${extensions[@]}"; do
		name=${extension%:*} want=${extension#*:}
		have=$(jq -r --arg name "$name" '.extensions[$name] // ""' <<<"$answer")
		if [[ -z $have ]]; then
			problems+=("the extension $name is not installed: az extension add --name $name")
		elif ! atLeast "$have" "$want"; then
			problems+=("the extension $name is $have, want $want or newer: az extension update --name $name")
		fi
	done
fi
if [[ ! $group ]]; then
	query "looking for kubectl's version" kubectl version --client --output json
	have=$(jq -r '.kustomizeVersion // "" | ltrimstr("v")' <<<"$answer")
	[[ $dry ]] || atLeast "$have" 5.0.0 || problems+=("kubectl's kustomize is ${have:-missing}, want 5.0 or newer: az aks install-cli")
fi

checkSubscription

providers=(ContainerRegistry ManagedIdentity Attestation KeyVault)
case $PLATFORM in
kata-cc)
	providers+=(ContainerService)
	query "looking for the feature" az feature show --namespace Microsoft.ContainerService --name KataCcIsolationPreview --query properties.state --output tsv
	[[ $dry || $answer == Registered ]] || problems+=("the feature KataCcIsolationPreview is ${answer:-unknown}: this preview was ended in March 2026; PLATFORM=container-group or confidential-aci replace it (docs/platforms.md)") ;;
confidential-aci) providers+=(ContainerService ContainerInstance Network) ;;
container-group) providers+=(ContainerInstance) ;;
esac
if [[ $KAFKA == event-hubs ]]; then providers+=(EventHub); fi
for provider in "${providers[@]}"; do
	query "looking for the provider $provider" az provider show --namespace "Microsoft.$provider" --query registrationState --output tsv
	[[ $dry || $answer == Registered ]] || problems+=("the provider Microsoft.$provider is ${answer:-unknown}: az provider register --namespace Microsoft.$provider")
done

# Existing nodes need no more quota.
if [[ ! $group ]] && [[ $PLATFORM == kata-cc || $CLUSTER_IS == new ]] && ! recorded cluster "$RESOURCE_GROUP" "$CLUSTER" && ! recorded nodepool "$RESOURCE_GROUP" "$CLUSTER" "$NODE_POOL"; then
	query "looking for the machine type" az vm list-skus --location "$LOCATION" --size "$NODE_SIZE" --resource-type virtualMachines \
		--query "[?name=='$NODE_SIZE'].[family, capabilities[?name=='vCPUs'].value | [0], restrictions[0].reasonCode || '']" --output tsv
	IFS=$'\t' read -r family cores restriction <<<"${dry:+<family>}$answer"
	if [[ ! $dry && ( -z $family || -n $restriction ) ]]; then
		problems+=("the region $LOCATION has no $NODE_SIZE for this subscription${restriction:+ ($restriction)}: set another LOCATION (az vm list-skus --size $NODE_SIZE --output table)")
	else
		query "looking for the quota" az vm list-usage --location "$LOCATION" --query "[?name.value=='$family'].[limit, currentValue]" --output tsv
		IFS=$'\t' read -r limit used <<<"$answer"
		[[ $dry || $((${limit:-0} - ${used:-0})) -ge $((cores * NODE_COUNT)) ]] ||
			problems+=("the quota of $family in $LOCATION has $((${limit:-0} - ${used:-0})) cores left, want $((cores * NODE_COUNT)): ask for more (portal, Quotas), or set another LOCATION")
	fi
fi

if [[ ${#problems[@]} -gt 0 ]]; then
	printf "$stage: %s\n" "${problems[@]}" >&2
	fail "something is missing" "follow the advice in each line above, then run this again"
fi
report "nothing is missing" "check all of this, and list what is missing"
