package skrclient

import (
	"maps"
	"slices"
)

// Cause is the code of the reason for a failure. Programs look up their own words by it. [Cause.Text] is its English for
// logs and errors.
type Cause string

// The causes, in groups: the sidecar itself, the sidecar's refusals, the data hub, the key, the attestation token.
const (
	CauseNoAnswer         Cause = "no_answer"
	CauseNotLoopback      Cause = "not_loopback"
	CauseTimeout          Cause = "timeout"
	CauseIncompleteAnswer Cause = "incomplete_answer"
	CauseAccessToken      Cause = "access_token"
	CauseBadRequest       Cause = "bad_request"
	CauseNotReady         Cause = "not_ready"
	CauseUnexpectedStatus Cause = "unexpected_status"
	CauseBadAnswer        Cause = "bad_answer"
	CauseAnswerTooLong    Cause = "answer_too_long"

	CauseUnknownReason        Cause = "unknown_reason"
	CauseHostNotFound         Cause = "host_not_found"
	CauseNetwork              Cause = "network"
	CauseUntrustedCertificate Cause = "untrusted_certificate"
	CauseNoReport             Cause = "no_report"
	CauseNoCertificates       Cause = "no_certificates"
	CauseTCB                  Cause = "tcb"
	CauseAttestation          Cause = "attestation"
	CauseThrottled            Cause = "throttled"
	CauseIdentityProvider     Cause = "identity_provider"
	CauseIdentity             Cause = "identity"
	CauseNoRole               Cause = "no_role"
	CausePolicy               Cause = "policy"
	CauseForbidden            Cause = "forbidden"
	CauseNoKey                Cause = "no_key"
	CauseServiceFailed        Cause = "service_failed"

	CauseNoHub          Cause = "no_hub"
	CauseHubTimeout     Cause = "hub_timeout"
	CauseHubStarting    Cause = "hub_starting"
	CauseHubNoResources Cause = "hub_no_resources"
	CauseHubCaller      Cause = "hub_caller"
	CauseNotHub         Cause = "not_hub"
	CauseResource       Cause = "resource"

	CauseKeyFile       Cause = "key_file"
	CauseNotKey        Cause = "not_a_key"
	CauseEncryptedKey  Cause = "encrypted_key"
	CauseKeyFormat     Cause = "key_format"
	CauseKeyTooLong    Cause = "key_too_long"
	CauseKeyType       Cause = "key_type"
	CausePublicKey     Cause = "public_key"
	CauseKeySize       Cause = "key_size"
	CauseBrokenKey     Cause = "broken_key"
	CauseKeyParameters Cause = "key_parameters"
	CauseUnexpectedKey Cause = "unexpected_key"
	CauseUnknownError  Cause = "unknown_error"

	CauseNotToken      Cause = "not_a_token"
	CauseNonce         Cause = "nonce"
	CauseIssuer        Cause = "issuer"
	CauseExpired       Cause = "expired"
	CauseSignature     Cause = "signature"
	CauseNoSigningKeys Cause = "no_signing_keys"
)

// Causes returns every cause.
func Causes() []Cause { return slices.Collect(maps.Keys(reasons())) }

// Text is the cause in English.
func (c Cause) Text() string { return c.reason().text }

// reason holds what an [Error] says about its cause.
type reason struct {
	text, hint string
	permanent  bool // the failure lasts until a person changes something
}

func (c Cause) reason() reason {
	if known, found := reasons()[c]; found {
		return known
	}
	return reason{text: string(c), hint: readLog}
}

const readLog = "Read the log of the container skr."

func reasons() map[Cause]reason {
	const (
		temporary, permanent = false, true

		wait    = "Nothing to do yet: it retries automatically."
		sidecar = "Check that the key-release sidecar, and nothing else, listens at SKR_URL."
		path    = wait + " If it lasts, check the pod's outbound connections on port 443."
		forged  = "Treat the token as forged. Check what listens at SKR_URL."
		store   = "Store an RSA private key of 3072 bits: in the vault an exportable one, elsewhere a JWK or PEM (PKCS#8, PKCS#1)."
	)
	return map[Cause]reason{
		CauseNoAnswer:             {"nothing answers at the sidecar's address", "Expected in an ordinary pod. In a confidential pod, check the container skr.", temporary},
		CauseNotLoopback:          {"the address is outside this pod, so nothing was sent", "Make localhost mean only 127.0.0.1 and ::1 in the pod's /etc/hosts, or use 127.0.0.1 in SKR_URL or CDH_URL.", permanent},
		CauseTimeout:              {"no complete response within the time limit", wait + " If it lasts, check the pod's route to the attestation service and the vault.", temporary},
		CauseIncompleteAnswer:     {"the connection ended before a complete HTTP response", sidecar, temporary},
		CauseAccessToken:          {"the access token file is unusable", "Check that the access token file is mounted, readable, not empty and at most 64 KiB long.", temporary},
		CauseBadRequest:           {"the sidecar rejected the request", "Check SkrClientKID, SkrClientMAAEndpoint and SkrClientAKVEndpoint.", permanent},
		CauseNotReady:             {"the sidecar is not ready", wait + " If it lasts, restart the pod.", temporary},
		CauseUnexpectedStatus:     {"the HTTP status is not one of the sidecar's", sidecar, temporary},
		CauseBadAnswer:            {"the response is not a single JSON object with a key", sidecar, temporary},
		CauseAnswerTooLong:        {"the response is longer than 1 MiB", sidecar, temporary},
		CauseUnknownReason:        {"the sidecar gave no known reason", readLog, temporary},
		CauseHostNotFound:         {"the service's host name is not found", wait + " If it lasts, check the spelling of SkrClientMAAEndpoint and SkrClientAKVEndpoint, and DNS.", temporary},
		CauseNetwork:              {"the service cannot be reached", path, temporary},
		CauseUntrustedCertificate: {"the service's certificate is not trusted", "Something intercepts the connection to the service, or the sidecar lacks the root certificates: check proxies on port 443, and SSL_CERT_FILE.", temporary},
		CauseNoReport:             {"the hardware provides no attestation report", "Expected without SEV-SNP hardware. In a confidential pod, nothing to do yet: it retries automatically. If it lasts, check the pod's runtime class.", temporary},
		CauseNoCertificates:       {"the certificates for the attestation report cannot be fetched", wait + " If it lasts, check the endpoint in SkrSideCarArgs and the pod's route to it, 169.254.169.254 on port 80.", temporary},
		CauseTCB:                  {"the hardware certificate does not match the host's firmware", "The host's firmware was updated. Run the sidecar as /skr.sh with SkrSideCarArgs, and restart the pod.", temporary},
		CauseAttestation:          {"the attestation service rejected the report", "Expected without SEV-SNP hardware. In a confidential pod, check SkrClientMAAEndpoint and the service's policy.", permanent},
		CauseThrottled:            {"too many requests", wait, temporary},
		CauseIdentityProvider:     {"the identity provider failed or cannot be reached", wait + " If it lasts, check the pod's route to login.microsoftonline.com on port 443 (workload identity) or to 169.254.169.254 on port 80 (managed identity).", temporary},
		CauseIdentity:             {"the pod's identity is not accepted", "Check the pod's workload identity (login.microsoftonline.com issues its token) or managed identity. A new one can take minutes to take effect.", temporary},
		CauseNoRole:               {"the pod's identity may not release the key", "Give the pod's identity the role Key Vault Crypto Service Release User. It can take up to 24 hours to take effect.", temporary},
		CausePolicy:               {"the release policy is not satisfied", "Compare the key's release policy with this pod: the hash of its security policy, compliance, debugging.", permanent},
		CauseForbidden:            {"the vault forbade the release", "Check the identity's role, which can take up to 24 hours to take effect, and the key's release policy.", temporary},
		CauseNoKey:                {"the vault has no such key", "Check SkrClientKID and SkrClientAKVEndpoint, and that the key exists.", permanent},
		CauseServiceFailed:        {"the service failed", path, temporary},
		CauseNoHub:                {"nothing answers at the data hub's address", "Expected in an ordinary pod. In a confidential pod, check that its guest runs the API server with the data hub.", temporary},
		CauseHubTimeout:           {"no complete response from the data hub within the time limit", wait + " If it lasts, check the guest's route to the key broker.", temporary},
		CauseHubStarting:          {"the data hub is not up yet", wait + " If it lasts, restart the pod.", temporary},
		CauseHubNoResources:       {"the data hub serves no resources", "Use a guest image whose API server has the resource feature.", permanent},
		CauseHubCaller:            {"the data hub does not accept requests from this address", "Ask from within the pod, at 127.0.0.1.", permanent},
		CauseNotHub:               {"the response is not one of the data hub's", "Check that the data hub, and nothing else, listens at CDH_URL.", temporary},
		CauseResource:             {"the resource is denied or missing, or its service is down", "Check SkrClientKID (REPO/TYPE/TAG), the resource policy and reference values of the key broker, and its log, which alone gives the reason.", temporary},
		CauseKeyFile:              {"the key file cannot be read", "Check that KEY_FILE is mounted and readable.", temporary},
		CauseNotKey:               {"the key is neither a JSON Web Key nor a single PEM private key", store, permanent},
		CauseEncryptedKey:         {"the private key is encrypted with a password", "Store the key without a password: openssl pkey -in FILE -out NEWFILE.", permanent},
		CauseKeyFormat:            {"the PEM holds no RSA private key in PKCS#8 (PRIVATE KEY) or PKCS#1 (RSA PRIVATE KEY)", store, permanent},
		CauseKeyTooLong:           {"the text of the key is longer than 16 KiB", store, permanent},
		CauseKeyType:              {"the key is not an RSA key for encryption", store, permanent},
		CausePublicKey:            {"the key has no private part", store, permanent},
		CauseKeySize:              {"the key has fewer than 2048 or more than 8192 bits", store, permanent},
		CauseBrokenKey:            {"the key is damaged, or its numbers are inconsistent", store, permanent},
		CauseKeyParameters:        {"the key has an exponent below 65537 or too many primes", store, permanent},
		CauseUnexpectedKey:        {"the released key is not one of those expected, and is not used", "If you did not change the key, somebody replaced it: encrypt nothing with its public half, and find out who may change it. If the change is yours, add its id to EXPECTED_KEY_IDS, and deploy again.", permanent},
		CauseUnknownError:         {"the attempt failed with an unknown error", readLog, temporary},
		CauseNotToken:             {"the response is not an attestation token", "Check that the sidecar can attest and that nothing else listens at SKR_URL.", temporary},
		CauseNonce:                {"the token was not made for this request", forged, temporary},
		CauseIssuer:               {"the token is not from the configured attestation service", "Check SkrClientMAAEndpoint: it must be the host name in the service's tokens.", temporary},
		CauseExpired:              {"the token is expired or not yet valid", "Compare the clocks of this pod and the attestation service.", temporary},
		CauseSignature:            {"the token is not signed by the attestation service", forged, temporary},
		CauseNoSigningKeys:        {"the attestation service's signing keys cannot be fetched", wait + " If it lasts, check the pod's outbound connections on port 443, and ATTESTATION_CA_FILE.", temporary},
	}
}
