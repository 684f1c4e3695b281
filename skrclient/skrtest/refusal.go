package skrtest

import (
	"net/http"
	"strings"
)

// Refusal is the text of a refusal, wrapped as by the real sidecar. KEY, and MAA and AKV in place of host names, stand for
// the values of the request.
type Refusal string

// attestationFailed begins the text if a release failed before it had a token.
const attestationFailed = "attestation failed: "

// The refusals. The wrapping is from the sidecar's source, the texts of the services are shortened.
const (
	RefusalUnknown       Refusal = "something unheard of"
	RefusalMAAName       Refusal = `attestation failed: Retrieving MAA token from MAA endpoint failed: maa post request failed: HTTP GET failed: Post "https://MAA/attest/SevSnpVM?api-version=2020-10-01": dial tcp: lookup MAA on 168.63.129.16:53: no such host`
	RefusalAttestation   Refusal = `attestation failed: Retrieving MAA token from MAA endpoint failed: pulling maa post response failed: {"error":{"code":"InvalidParameter","message":"The attestation report is not valid"}}: http response status equal to 400 Bad Request`
	RefusalTCB           Refusal = `attestation failed: SNP reported TCB value: 7782220156096217091 doesn't match Certificate TCB value: 7782220156096217088`
	RefusalNoCertificate Refusal = `attestation failed: refreshing CertChain failed: certificate endpoint not set`
	RefusalNoReport      Refusal = `attestation failed: Failed to retrieve attestation report: ioctl failed:input/output error`
	RefusalNoIdentity    Refusal = `retrieving authentication token using workload identity failed: failed to acquire access token: server response error:
 Post "https://login.microsoftonline.com/tenant/oauth2/v2.0/token": dial tcp: lookup login.microsoftonline.com on 168.63.129.16:53: no such host`
	RefusalIdentity   Refusal = `retrieving authentication token failed: pulling token response body failed: {"error":"invalid_request","error_description":"Identity not found"}: http response status equal to 400 Bad Request`
	RefusalAKVName    Refusal = `releasing the key KEY failed: AKV post request failed: HTTP GET failed: Post "https://AKV/keys/KEY/release?api-version=7.4": dial tcp: lookup AKV on 168.63.129.16:53: no such host`
	RefusalAKVNetwork Refusal = `releasing the key KEY failed: AKV post request failed: HTTP GET failed: Post "https://AKV/keys/KEY/release?api-version=7.4": dial tcp 10.0.0.4:443: connect: connection refused`
	RefusalToken      Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}: http response status equal to 401 Unauthorized`
	RefusalRole       Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.","innererror":{"code":"ForbiddenByRbac"}}}: http response status equal to 403 Forbidden`
	RefusalPolicy     Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Forbidden","message":"Target environment attestation statement cannot be verified against the release policy."}}: http response status equal to 403 Forbidden`
	RefusalForbidden  Refusal = `releasing the key KEY failed: pulling AKV response body failed: : http response status equal to 403 Forbidden`
	RefusalNoKey      Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"KeyNotFound","message":"A key with (name/id) KEY was not found in this key vault."}}: http response status equal to 404 Not Found`
	RefusalThrottled  Refusal = `releasing the key KEY failed: pulling AKV response body failed: {"error":{"code":"Throttled"}}: http response status equal to 429 Too Many Requests`
	RefusalVaultDown  Refusal = `releasing the key KEY failed: pulling AKV response body failed: : http response status equal to 503 Service Unavailable`
)

func (r Refusal) text(request KeyRequest) string {
	return strings.NewReplacer("KEY", request.KeyName, "MAA/", request.MAAEndpoint+"/", "lookup MAA", "lookup "+request.MAAEndpoint, "AKV/", request.AKVEndpoint+"/", "lookup AKV", "lookup "+request.AKVEndpoint).Replace(string(r))
}

// documentation follows the first words of an error in sidecars since 2.12.
const documentation = `
ERROR: Please refer to the documentation for more information on how to use this sidecar.
ACI: https://github.com/microsoft/confidential-sidecar-containers/blob/main/examples/skr/aci/README.md
KATA: https://github.com/microsoft/confidential-sidecar-containers/blob/main/examples/skr/aks/README.md
Troubleshooting: https://github.com/microsoft/confidential-sidecar-containers/blob/main/examples/skr/TROUBLESHOOTING.md`

// refuse responds with an error: what failed, and why. A sidecar before 2.12 lacks the reference to the documentation and,
// for a key or a report, also what failed.
func (s *Sidecar) refuse(w http.ResponseWriter, status int, what, why string) {
	s.mu.Lock()
	old := s.old
	s.mu.Unlock()
	switch {
	case !old:
		why = what + documentation + ": " + why
	case status == http.StatusBadRequest:
		why = what + ": " + why
	}
	respond(w, status, map[string]string{"error": why})
}
