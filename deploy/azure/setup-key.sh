#!/usr/bin/env bash
# Makes a key in Azure Key Vault or a Managed HSM, which releases it to one
# measured workload only. Writes to the current folder:
#
#   KEY-pub.pem               the public key, for the producer
#   KEY-release-policy.json   the policy, for the consumer's RELEASE_POLICY_FILE
#   KEY-info.json             the public key's file, its id, and the hosts
#
#   export MAA_ENDPOINT=NAME.REGION.attest.azure.net
#   export MANAGED_IDENTITY=CLIENT-ID WORKLOAD_MEASUREMENT="$(deploy/azure/measure consumer.yaml)"
#   bash setup-key.sh kafka-encryption-demo NAME.vault.azure.net
#
# A workload that names the key's id (EXPECTED_KEY_IDS) can be measured only after the
# key is made. For it, do the same in two steps, in one folder:
#
#   bash setup-key.sh kafka-encryption-demo NAME.vault.azure.net create   no pod gets this key
#   … put the id that it prints into the manifest, set WORKLOAD_MEASUREMENT …
#   bash setup-key.sh kafka-encryption-demo NAME.vault.azure.net bind     only this pod gets it
#
# "bind" also binds a key to another workload than before. According to Azure's
# documentation a Managed HSM takes another release policy for a key. Whether a Key
# Vault does is not certain. Neither was tried.
#
# It asks the vault with "az rest", or with curl if VAULT_TOKEN_FILE names a file
# with an access token. PLATFORM is kata-cc (the default) or confidential-aci.
# Running it again changes nothing.
set -euo pipefail

die() { printf 'setup-key.sh: %s\n' "$@" >&2; exit 1; }
case ${1:-} in -h | --help) awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; exit ;; esac

# hostOf TEXT: the host name in a name or URL, as Azure prints it (https://NAME.vault.azure.net/), in lower case.
hostOf() {
	local host=${1#https://}
	host=${host#http://}
	host=${host%/}
	printf '%s' "${host,,}"
}
key=${1:-} step=${3:-} vault=$(hostOf "${2:-}") attestation=$(hostOf "${MAA_ENDPOINT:-}") platform=${PLATFORM:-kata-cc}
problems=()
[[ $# -eq 2 || $# -eq 3 ]] || problems+=("want two arguments: the key's name and the vault's host name; or a third, create or bind")
[[ $# -ne 3 || $step =~ ^(create|bind)$ ]] || problems+=("the third argument is neither create nor bind")
[[ $key =~ ^[A-Za-z0-9-]{1,127}$ ]] || problems+=("the key's name has 1 to 127 letters, digits and hyphens")
[[ $vault =~ ^[a-z0-9-]+(\.[a-z0-9-]+)+$ ]] || problems+=("the vault is not a host name such as NAME.vault.azure.net")
[[ $attestation =~ ^[a-z0-9-]+(\.[a-z0-9-]+)+$ ]] || problems+=("MAA_ENDPOINT is not a host name such as NAME.REGION.attest.azure.net")
[[ ${MANAGED_IDENTITY:-} =~ ^[A-Za-z0-9-]+$ ]] || problems+=("MANAGED_IDENTITY is not the client id of the pod's identity")
[[ $step == create || ${WORKLOAD_MEASUREMENT:-} =~ ^[0-9a-f]{64}$ ]] || problems+=("WORKLOAD_MEASUREMENT is not 64 hex digits: without it every confidential workload, whoever runs it, could get the key (hint: deploy/azure/measure MANIFEST)")
case $platform in
kata-cc) claims='[["x-ms-compliance-status", "azure-signed-katacc-uvm"]]' ;;
confidential-aci) claims='[["x-ms-compliance-status", "azure-compliant-uvm"], ["x-ms-sevsnpvm-vmpl", "0"]]' ;;
*) problems+=("PLATFORM is neither kata-cc nor confidential-aci") ;;
esac
for tool in jq openssl base64 od; do
	command -v "$tool" >/dev/null || problems+=("$tool is not installed")
done
client=az
if [[ -n ${VAULT_TOKEN_FILE:-} ]]; then
	client=curl
	[[ -s $VAULT_TOKEN_FILE ]] || problems+=("VAULT_TOKEN_FILE does not name a file with a token")
fi
command -v "$client" >/dev/null || problems+=("$client is not installed")
[[ ${#problems[@]} -eq 0 ]] || die "${problems[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ask METHOD PATH [FILE]: prints the vault's answer. If the vault refuses, prints the refusal and returns 1.
ask() {
	local url="https://$vault/keys/$2?api-version=7.4"
	if [[ $client == curl ]]; then
		local answer status
		# The token goes through a file descriptor, because every user can read a command line.
		answer=$(curl -sS --max-time 60 -X "$1" -w '\n%{http_code}' -H 'Content-Type: application/json' ${3:+--data-binary "@$3"} \
			--config <(printf 'header = "Authorization: Bearer %s"\n' "$(<"$VAULT_TOKEN_FILE")") "$url" 2>&1) || { printf '%s\n' "${answer%$'\n'*}"; return 1; }
		status=${answer##*$'\n'}
		printf '%s\n' "${answer%$'\n'*}"
		[[ $status == 200 ]]
	else
		az rest --only-show-errors --method "$1" --url "$url" --resource "https://${vault#*.}" \
			--headers Content-Type=application/json ${3:+--body "@$3"} 2>"$work/refusal" || { cat "$work/refusal"; return 1; }
	fi
}

# explain REFUSAL [HINT]
explain() {
	case $1 in
	*ForbiddenByRbac*) die "$1" "hint: you need the role Key Vault Crypto Officer (Managed HSM: Managed HSM Crypto User); a new role can take minutes to work" ;;
	*ForbiddenByFirewall*) die "$1" "hint: the firewall of the vault does not admit this computer: az keyvault network-rule add --name ${vault%%.*} --ip-address ADDRESS" ;;
	*Unauthorized* | *AADSTS* | *'az login'*) die "$1" "hint: sign in with az login, or get a new token for https://${vault#*.}" ;;
	*'Max retries'* | *[Rr]esolve* | *'ame or service not known'* | *'onnection refused'* | *'ailed to connect'* | *'timed out'*) die "asking the vault failed: $1" "hint: check the network and its proxy (HTTPS_PROXY), and that a vault $vault exists" ;;
	*) die "asking the vault failed: $1" ${2:+"$2"} ;;
	esac
}

# policyFor HOST-DATA: the release policy for the workload with that host data.
policyFor() {
	jq -n --arg maa "https://$attestation" --arg measured "$1" --argjson more "$claims" '
		{version: "1.0.0", anyOf: [{authority: $maa, allOf: ([
			["x-ms-attestation-type", "sevsnpvm"], ["x-ms-sevsnpvm-is-debuggable", "false"],
			["x-ms-sevsnpvm-hostdata", $measured]] + $more | map({claim: .[0], equals: .[1]}))}]}'
}
# A measurement has 64 hex digits: no pod satisfies the policy of a created key.
unbound=none
if [[ $step == create ]]; then wanted=$unbound; else wanted=$WORKLOAD_MEASUREMENT; fi
policyFor "$wanted" >"$work/policy"

# decode EXPRESSION: the bytes of a base64url member of the key.
decode() { jq -r "$1 | gsub(\"-\"; \"+\") | gsub(\"_\"; \"/\") | . + \"==\"[:(4 - length % 4) % 4]" "$work/key" | base64 -d; }
# canonical: a release policy in one spelling.
canonical() { jq -Sc '.anyOf[].allOf |= sort'; }
# held: the release policy of the key. encoded: that of $work/policy, as the vault wants it.
held() { decode '.release_policy.data // ""' | canonical; }
encoded() {
	jq -n --rawfile policy "$work/policy" '{contentType: "application/json; charset=utf-8",
		data: ($policy | @base64 | gsub("\\+"; "-") | gsub("/"; "_") | rtrimstr("=") | rtrimstr("="))}'
}
oneStep="hint: if this vault takes no other release policy for a key, make the key in one step, for a workload without EXPECTED_KEY_IDS"
# boundTo: the host data in the release policy of the key, if that is the only difference to ours.
boundTo() {
	local found
	found=$(held | jq -r '[.. | objects | select(.claim? == "x-ms-sevsnpvm-hostdata").equals] | first // ""')
	[[ $found =~ ^([0-9a-f]{64}|$unbound)$ && $(held) == "$(policyFor "$found" | canonical)" ]] && printf '%s' "$found"
}

# hex MEMBER: a number of the public key.
hex() { decode ".key.$1" | od -An -v -tx1 | tr -d ' \n'; }
# publicKey: the key's public half, in PEM.
publicKey() {
	cat >"$work/asn1" <<EOF
asn1=SEQUENCE:info
[info]
algorithm=SEQUENCE:algorithm
key=BITWRAP,SEQUENCE:numbers
[algorithm]
oid=OID:rsaEncryption
parameter=NULL
[numbers]
n=INTEGER:0x$(hex n)
e=INTEGER:0x$(hex e)
EOF
	openssl asn1parse -genconf "$work/asn1" -noout -out "$work/der"
	openssl pkey -pubin -inform DER -in "$work/der"
}

if ask GET "$key" >"$work/key"; then
	# Somebody may have put another key there since.
	publicKey >"$work/public"
	[[ ! -e $key-pub.pem ]] || cmp -s "$work/public" "$key-pub.pem" ||
		die "the vault's key $key is another one than that of $key-pub.pem in this folder" "hint: find out who replaced it; if you did, delete $key-pub.pem"
	before=$(boundTo) || die "the key $key is there already, with another release policy" "hint: choose another name, or delete the key first"
	if [[ $before == "$wanted" ]]; then
		echo "The key $key is there already, with this policy:"
	elif [[ $step == create ]]; then
		policyFor "$before" >"$work/policy"
		echo "The key $key is there already, and bound to a workload, with this policy:"
	elif [[ $step == bind ]]; then
		[[ -e $key-pub.pem ]] || die "$key-pub.pem, which the step create wrote, is not in this folder, so nobody would notice another key in the vault" "hint: run it in the folder of the step create"
		version=$(jq -r '.key.kid | split("/keys/")[1]' "$work/key")
		[[ $version =~ ^$key/[A-Za-z0-9]+$ ]] || die "the vault does not name the version of the key $key"
		jq -n --argjson policy "$(encoded)" '{release_policy: $policy}' >"$work/request"
		ask PATCH "$version" "$work/request" >"$work/answer" || explain "$(<"$work/answer")" "$oneStep"
		ask GET "$key" >"$work/key" || explain "$(<"$work/key")"
		[[ $(boundTo) == "$wanted" && $(publicKey) == "$(<"$key-pub.pem")" ]] ||
			die "the vault answered that it has changed the release policy of $key, but it has not" "$oneStep"
		echo "Bound the key $key, which was for ${before/#$unbound/no workload}, with this policy:"
	else
		die "the key $key is there already, with another release policy" "hint: choose another name, or delete the key first; the step bind changes it"
	fi
elif ! grep -q KeyNotFound "$work/key"; then
	explain "$(<"$work/key")"
elif [[ $step == bind ]]; then
	die "the vault has no key $key" "hint: the step create makes it"
else
	jq -n --argjson policy "$(encoded)" '{kty: "RSA-HSM", key_size: 3072, key_ops: ["wrapKey", "unwrapKey", "encrypt", "decrypt"],
		attributes: {exportable: true}, release_policy: $policy}' >"$work/request"
	ask POST "$key/create" "$work/request" >"$work/key" || explain "$(<"$work/key")"
	publicKey >"$work/public"
	echo "Made the key $key with this policy:"
fi
jq . "$work/policy"
if [[ $(jq -r '.anyOf[0].allOf[] | select(.claim == "x-ms-sevsnpvm-hostdata").equals' "$work/policy") == "$unbound" ]]; then
	echo "No pod gets it before the step bind."
fi

cp "$work/public" "$key-pub.pem"
echo "Public key: $key-pub.pem"
# The thumbprint of RFC 7638.
id=$(jq -j '.key | "{\"e\":\"\(.e)\",\"kty\":\"RSA\",\"n\":\"\(.n)\"}"' "$work/key" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=')
echo "Key id: $id"
jq . "$work/policy" >"$key-release-policy.json"
echo "Release policy: $key-release-policy.json"
jq -n --arg public "$key-pub.pem" --arg id "$id" --arg vault "$vault" --arg attestation "$attestation" \
	'{public_key_path: $public, key_id: $id, kms_endpoint: $vault, attester_endpoint: $attestation}' >"$key-info.json"
echo "Info: $key-info.json"

# Only this role releases a key. Crypto User does not, in spite of its name.
name=${vault%%.*}
if [[ $vault == *.managedhsm.azure.net ]]; then
	grant=(az keyvault role assignment create --hsm-name "$name" --role "Managed HSM Crypto Service Release User" --assignee "$MANAGED_IDENTITY" --scope "/keys/$key")
else
	scope='SCOPE-OF-THE-VAULT'
	[[ $client == curl ]] || scope=$(az keyvault show --only-show-errors --name "$name" --query id --output tsv) || die "finding the vault $name failed (hint: az account set --subscription ID)"
	grant=(az role assignment create --role "Key Vault Crypto Service Release User" --assignee "$MANAGED_IDENTITY" --scope "$scope/keys/$key")
fi
if [[ $client == curl ]]; then
	echo "A token for the vault cannot assign roles: let the pod's identity release the key with"
	printf '%q ' "${grant[@]}"
	echo
else
	"${grant[@]}" --only-show-errors --output none || die "giving the identity its role failed" "hint: you need the role Owner or User Access Administrator; then run this again"
	echo "The identity $MANAGED_IDENTITY may release it. A new role can take up to 24 hours to work."
fi
