package skrtest

import "strings"

// Refusal is the text of a refusal in the shape in which the real sidecar wraps it. KEY, and MAA and AKV where a host name
// belongs, stand for the values of the request.
type Refusal string

// The refusals: the wrapping is that of the sidecar's source, the services' own texts are shortened.
const (
	RefusalUnknown       Refusal = "something unheard of"
	RefusalMAAName       Refusal = `attestation failed: Retrieving MAA token from MAA endpoint failed: maa post request failed: HTTP GET failed: Post "https://MAA/attest/SevSnpVM?api-version=2020-10-01": dial tcp: lookup MAA on 168.63.129.16:53: no such host`
	RefusalAttestation   Refusal = `attestation failed: Retrieving MAA token from MAA endpoint failed: pulling maa post response failed: {"error":{"code":"InvalidParameter","message":"The attestation report is not valid"}}: http response status equal to 400 Bad Request`
	RefusalTCB           Refusal = `attestation failed: SNP reported TCB value: 7782220156096217091 doesn't match Certificate TCB value: 7782220156096217088`
	RefusalNoCertificate Refusal = `attestation failed: refreshing CertChain failed: certificate endpoint not set`
	RefusalIdentity      Refusal = `retrieving authentication token failed: pulling token response body failed: {"error":"invalid_request","error_description":"Identity not found"}: http response status equal to 400 Bad Request`
	RefusalAKVName       Refusal = `releasing the key KEY failed: AKV post request failed: HTTP GET failed: Post "https://AKV/keys/KEY/release?api-version=7.4": dial tcp: lookup AKV on 168.63.129.16:53: no such host`
	RefusalAKVNetwork    Refusal = `releasing the key KEY failed: AKV post request failed: HTTP GET failed: Post "https://AKV/keys/KEY/release?api-version=7.4": dial tcp 10.0.0.4:443: connect: connection refused`
	RefusalToken         Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}: http response status equal to 401 Unauthorized`
	RefusalRole          Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.","innererror":{"code":"ForbiddenByRbac"}}}: http response status equal to 403 Forbidden`
	RefusalPolicy        Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Forbidden","message":"Target environment attestation statement cannot be verified against the release policy."}}: http response status equal to 403 Forbidden`
	RefusalForbidden     Refusal = `releasing the key KEY failed: pulling AKV response body failed: : http response status equal to 403 Forbidden`
	RefusalNoKey         Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"KeyNotFound","message":"A key with (name/id) KEY was not found in this key vault."}}: http response status equal to 404 Not Found`
	RefusalThrottled     Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Throttled"}}: http response status equal to 429 Too Many Requests`
	RefusalVaultDown     Refusal = `releasing the key KEY failed: pulling AKV response body failed: : http response status equal to 503 Service Unavailable`
)

func (r Refusal) text(asked Asked) string {
	return strings.NewReplacer("KEY", asked.KeyName, "MAA/", asked.MAAEndpoint+"/", "lookup MAA", "lookup "+asked.MAAEndpoint, "AKV/", asked.AKVEndpoint+"/", "lookup AKV", "lookup "+asked.AKVEndpoint).Replace(string(r))
}
