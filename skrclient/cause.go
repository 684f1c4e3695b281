package skrclient

// Cause is the reason of a failure in a few fixed words.
type Cause string

// The causes. The groups are about the sidecar itself, what it says of a refusal, the data hub, the key, and the
// attestation token.
const (
	CauseNoAnswer Cause = "nothing answers at the sidecar's address"
	CauseStalled  Cause = "no complete answer within the time limit"
	CauseToken    Cause = "the access token file cannot be used"
	CauseRequest  Cause = "the sidecar does not accept the request"
	CauseNotReady Cause = "the sidecar is not ready"
	CauseForeign  Cause = "the status is not one that the sidecar gives"
	CauseAnswer   Cause = "the answer is not one JSON object with a key"
	CauseTooLong  Cause = "the answer is longer than 1 MiB"

	CauseUnknown     Cause = "the sidecar gives no reason that is known here"
	CauseName        Cause = "the service's host name is not found"
	CauseNetwork     Cause = "the service cannot be reached"
	CauseTCB         Cause = "the hardware certificate does not match the host's firmware"
	CauseAttestation Cause = "the attestation is refused"
	CauseThrottled   Cause = "too many requests"
	CauseIdentity    Cause = "the pod's identity is not accepted"
	CauseRole        Cause = "the pod's identity may not release the key"
	CausePolicy      Cause = "the release policy is not satisfied"
	CauseForbidden   Cause = "the vault forbids the release"
	CauseNoKey       Cause = "the vault has no such key"
	CauseService     Cause = "the service failed"

	CauseNoHub      Cause = "nothing answers at the data hub's address"
	CauseHubStarts  Cause = "the data hub is not up yet"
	CauseHubFeature Cause = "the data hub gives no resources"
	CauseHubCaller  Cause = "the data hub does not take this pod for its own"
	CauseNotHub     Cause = "the answer is not one that the data hub gives"
	CauseResource   Cause = "the resource is denied or missing, or its service is down"

	CauseKeyFile    Cause = "the key file cannot be read"
	CauseNotKey     Cause = "it is neither a JSON Web Key nor one PEM private key"
	CauseKeyType    Cause = "the key is not an RSA key"
	CausePublic     Cause = "the key has no private part"
	CauseKeySize    Cause = "the key has fewer than 2048 or more than 8192 bits"
	CauseBrokenKey  Cause = "the numbers of the key do not fit together"
	CauseOddKey     Cause = "the key has an exponent below 65537 or too many primes"
	CauseNoReleaser Cause = "the try ended in an error of no known kind"

	CauseNoToken     Cause = "the answer is not an attestation token"
	CauseNonce       Cause = "the token does not hold the nonce of this request"
	CauseIssuer      Cause = "the token is not from the configured attestation service"
	CauseExpired     Cause = "the token is expired or not yet valid"
	CauseSignature   Cause = "no key of the attestation service has signed the token"
	CauseNoAuthority Cause = "the attestation service's signing keys cannot be fetched"
)

type details struct {
	hint      string
	permanent bool // asking again soon is of no use: someone has to change something
}

func (c Cause) details() details {
	const wait = "Nothing to do yet: it is asked again by itself. "
	switch c {
	case CauseNoAnswer:
		return details{hint: "Expected in an ordinary pod. In a confidential pod, check the container skr."}
	case CauseStalled:
		return details{hint: wait + "If it lasts, check the pod's way out to the attestation service and the vault."}
	case CauseToken:
		return details{hint: "Check that the access token file is mounted, readable, not empty and at most 64 KiB long."}
	case CauseRequest:
		return details{hint: "Check SkrClientKID, SkrClientMAAEndpoint and SkrClientAKVEndpoint.", permanent: true}
	case CauseNotReady:
		return details{hint: wait + "If it lasts, restart the pod."}
	case CauseForeign, CauseAnswer, CauseTooLong:
		return details{hint: "Check that the key-release sidecar, and nothing else, listens at SKR_URL."}
	case CauseName:
		return details{hint: wait + "If it lasts, check the spelling of SkrClientMAAEndpoint and SkrClientAKVEndpoint, and DNS."}
	case CauseNetwork, CauseService:
		return details{hint: wait + "If it lasts, check the pod's way out on port 443."}
	case CauseTCB:
		return details{hint: "The host's firmware was updated. Run the sidecar as /skr.sh with SkrSideCarArgs, and restart the pod."}
	case CauseAttestation:
		return details{hint: "Expected without SEV-SNP hardware. In a confidential pod, check SkrClientMAAEndpoint and the service's policy.", permanent: true}
	case CauseThrottled:
		return details{hint: wait}
	case CauseIdentity:
		return details{hint: "Check the pod's managed identity or workload identity. A new one can take minutes to work."}
	case CauseRole:
		return details{hint: "Give the pod's identity the role Key Vault Crypto Service Release User. It can take up to 24 hours to work."}
	case CausePolicy:
		return details{hint: "Compare the key's release policy with this pod: the hash of its security policy, compliance, debugging.", permanent: true}
	case CauseForbidden:
		return details{hint: "Check the identity's role, which can take up to 24 hours to work, and the key's release policy."}
	case CauseNoKey:
		return details{hint: "Check SkrClientKID and SkrClientAKVEndpoint, and that the key exists.", permanent: true}
	case CauseNoHub:
		return details{hint: "Expected in an ordinary pod. In a confidential pod, check that its guest runs the API server with the data hub."}
	case CauseHubStarts:
		return details{hint: wait + "If it lasts, restart the pod."}
	case CauseHubFeature:
		return details{hint: "Use a guest image whose API server has the resource feature.", permanent: true}
	case CauseHubCaller:
		return details{hint: "Ask from within the pod, at 127.0.0.1.", permanent: true}
	case CauseNotHub:
		return details{hint: "Check that the data hub, and nothing else, listens at CDH_URL."}
	case CauseResource:
		return details{hint: "Check SkrClientKID (REPO/TYPE/TAG), the resource policy and reference values of the key broker, and its log: only there is the reason told."}
	case CauseKeyFile:
		return details{hint: "Check that KEY_FILE is mounted and readable."}
	case CauseNotKey, CauseKeyType, CausePublic, CauseKeySize, CauseBrokenKey, CauseOddKey:
		return details{hint: "Store an RSA private key of 3072 bits: in the vault an exportable one, elsewhere a JWK or PEM (PKCS#8, PKCS#1).", permanent: true}
	case CauseNoToken:
		return details{hint: "Check that the sidecar can attest and that nothing else listens at SKR_URL."}
	case CauseNonce, CauseSignature:
		return details{hint: "Treat the token as forged. Check what listens at SKR_URL."}
	case CauseIssuer:
		return details{hint: "Check SkrClientMAAEndpoint: it is the host name that the service calls itself."}
	case CauseExpired:
		return details{hint: "Compare this pod's clock with the attestation service's."}
	case CauseNoAuthority:
		return details{hint: wait + "If it lasts, check the pod's way out on port 443, and ATTESTATION_CA_FILE."}
	default:
		return details{hint: "Read the log of the container skr."}
	}
}
