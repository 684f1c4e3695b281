#!/usr/bin/env bash
# Makes a key in Azure Key Vault or a Managed HSM that is released to one
# measured workload alone, and writes its public half for the producer.
#
#   export MAA_ENDPOINT=NAME.REGION.attest.azure.net
#   export MANAGED_IDENTITY=CLIENT-ID WORKLOAD_MEASUREMENT="$(deploy/azure/measure consumer.yaml)"
#   bash setup-key.sh kafka-encryption-demo NAME.vault.azure.net
#
# It asks the vault through "az rest", or, where VAULT_TOKEN_FILE names a file
# with an access token, through curl. PLATFORM is kata-cc (the default) or
# confidential-aci. Running it again changes nothing.
set -euo pipefail

die() { printf 'setup-key.sh: %s\n' "$@" >&2; exit 1; }

key=${1:-} vault=${2:-} platform=${PLATFORM:-kata-cc}
problems=()
[[ $# -eq 2 ]] || problems+=("want two arguments: the key's name and the vault's host name")
[[ $key =~ ^[A-Za-z0-9-]{1,127}$ ]] || problems+=("the key's name has 1 to 127 letters, digits and hyphens")
[[ $vault =~ ^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$ ]] || problems+=("the vault is a host name such as NAME.vault.azure.net, without https://")
[[ ${MAA_ENDPOINT:-} =~ ^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$ ]] || problems+=("MAA_ENDPOINT is not a host name such as NAME.REGION.attest.azure.net, without https://")
[[ ${MANAGED_IDENTITY:-} =~ ^[A-Za-z0-9-]+$ ]] || problems+=("MANAGED_IDENTITY is not the client id of the pod's identity")
[[ ${WORKLOAD_MEASUREMENT:-} =~ ^[0-9a-f]{64}$ ]] || problems+=("WORKLOAD_MEASUREMENT is not 64 hex digits: without it every confidential workload, whoever runs it, would get the key (hint: deploy/azure/measure MANIFEST)")
case $platform in
kata-cc) claims='[["x-ms-compliance-status", "azure-signed-katacc-uvm"]]' ;;
confidential-aci) claims='[["x-ms-compliance-status", "azure-compliant-uvm"], ["x-ms-sevsnpvm-vmpl", "0"]]' ;;
*) problems+=("PLATFORM is neither kata-cc nor confidential-aci") ;;
esac
for tool in jq openssl base64 od; do
	command -v "$tool" >/dev/null || problems+=("$tool is not installed")
done
asks=az
if [[ -n ${VAULT_TOKEN_FILE:-} ]]; then
	asks=curl
	[[ -s $VAULT_TOKEN_FILE ]] || problems+=("VAULT_TOKEN_FILE names no file with a token")
fi
command -v "$asks" >/dev/null || problems+=("$asks is not installed")
[[ ${#problems[@]} -eq 0 ]] || die "${problems[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ask METHOD PATH [FILE]: the vault's answer, or its refusal and status 1.
ask() {
	local url="https://$vault/keys/$2?api-version=7.4"
	if [[ $asks == curl ]]; then
		local answer status
		# The token goes through a file descriptor: a command line is for everyone to read.
		answer=$(curl -sS -X "$1" -w '\n%{http_code}' -H 'Content-Type: application/json' ${3:+--data-binary "@$3"} \
			--config <(printf 'header = "Authorization: Bearer %s"\n' "$(<"$VAULT_TOKEN_FILE")") "$url") || return 1
		status=${answer##*$'\n'}
		printf '%s\n' "${answer%$'\n'*}"
		[[ $status == 200 ]]
	else
		az rest --only-show-errors --method "$1" --url "$url" --resource "https://${vault#*.}" \
			--headers Content-Type=application/json ${3:+--body "@$3"} 2>"$work/refusal" || { cat "$work/refusal"; return 1; }
	fi
}

explain() {
	case $1 in
	*ForbiddenByRbac*) die "$1" "hint: you need the role Key Vault Crypto Officer (Managed HSM: Managed HSM Crypto User); a new role can take minutes to work" ;;
	*Unauthorized*) die "$1" "hint: sign in with az login, or get a new token for https://${vault#*.}" ;;
	*) die "asking the vault failed: $1" ;;
	esac
}

jq -n --arg maa "https://$MAA_ENDPOINT" --arg measured "$WORKLOAD_MEASUREMENT" --argjson more "$claims" '
	{version: "1.0.0", anyOf: [{authority: $maa, allOf: ([
		["x-ms-attestation-type", "sevsnpvm"], ["x-ms-sevsnpvm-is-debuggable", "false"],
		["x-ms-sevsnpvm-hostdata", $measured]] + $more | map({claim: .[0], equals: .[1]}))}]}' >"$work/policy"

# policyof FILE: the release policy of a key, in one spelling.
policyof() { jq -r '.release_policy.data // "" | gsub("-"; "+") | gsub("_"; "/") | . + "=="[:(4 - length % 4) % 4]' "$1" | base64 -d | jq -Sc '.anyOf[].allOf |= sort'; }

if ask GET "$key" >"$work/key"; then
	[[ $(policyof "$work/key") == "$(jq -Sc '.anyOf[].allOf |= sort' "$work/policy")" ]] ||
		die "the key $key is there already, with another release policy" "hint: choose another name, or delete the key first"
	echo "The key $key is there already, with this policy:"
elif grep -q KeyNotFound "$work/key"; then
	jq -n --rawfile policy "$work/policy" '{kty: "RSA-HSM", key_size: 3072, key_ops: ["wrapKey", "unwrapKey", "encrypt", "decrypt"],
		attributes: {exportable: true}, release_policy: {contentType: "application/json; charset=utf-8",
		data: ($policy | @base64 | gsub("\\+"; "-") | gsub("/"; "_") | rtrimstr("=") | rtrimstr("="))}}' >"$work/request"
	ask POST "$key/create" "$work/request" >"$work/key" || explain "$(<"$work/key")"
	echo "Made the key $key with this policy:"
else
	explain "$(<"$work/key")"
fi
jq . "$work/policy"

# hex MEMBER: a number of the public key.
hex() { jq -r ".key.$1 | gsub(\"-\"; \"+\") | gsub(\"_\"; \"/\") | . + \"==\"[:(4 - length % 4) % 4]" "$work/key" | base64 -d | od -An -v -tx1 | tr -d ' \n'; }
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
openssl pkey -pubin -inform DER -in "$work/der" -out "$key-pub.pem"
echo "Public key: $key-pub.pem"

# Only this role releases; Crypto User, in spite of its name, does not.
name=${vault%%.*}
if [[ $vault == *.managedhsm.azure.net ]]; then
	grant=(az keyvault role assignment create --hsm-name "$name" --role "Managed HSM Crypto Service Release User" --assignee "$MANAGED_IDENTITY" --scope "/keys/$key")
else
	scope='SCOPE-OF-THE-VAULT'
	[[ $asks == curl ]] || scope=$(az keyvault show --only-show-errors --name "$name" --query id --output tsv) || die "finding the vault $name failed (hint: az account set --subscription ID)"
	grant=(az role assignment create --role "Key Vault Crypto Service Release User" --assignee "$MANAGED_IDENTITY" --scope "$scope/keys/$key")
fi
if [[ $asks == curl ]]; then
	echo "Not done, since a token for the vault cannot do it: let the pod's identity release the key with"
	printf '%q ' "${grant[@]}"
	echo
else
	"${grant[@]}" --only-show-errors --output none || die "giving the identity its role failed" "hint: you need the role Owner or User Access Administrator; then run this again"
	echo "The identity $MANAGED_IDENTITY may release it. A new role can take up to 24 hours to work."
fi
