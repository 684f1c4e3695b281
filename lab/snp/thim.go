package snp

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// CertificationPath is the path of the host's certificates, at 169.254.169.254.
const CertificationPath = "/metadata/THIM/amd/certification"

// Certification is the answer of the certificates endpoint (THIM).
type Certification struct {
	VCEK         string `json:"vcekCert"` // PEM
	TCBM         string `json:"tcbm"`     // firmware level, 16 hex digits
	Chain        string `json:"certificateChain"`
	CacheControl string `json:"cacheControl"` // seconds
}

// Certification returns the endpoint's answer for this chip.
func (c *Chip) Certification() Certification {
	return Certification{
		VCEK: string(c.vcekPEM()), TCBM: fmt.Sprintf("%016x", TCB),
		Chain: string(c.chainPEM()), CacheControl: "86400",
	}
}

// ServeHTTP is the certificates endpoint. Like the real one it requires the header
// "Metadata: true", which a browser does not send for a malicious page.
func (c *Chip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	var status int
	var body any
	switch {
	case r.URL.Path != CertificationPath:
		status, body = http.StatusNotFound, map[string]string{"error": "Not found"}
	case r.Method != http.MethodGet:
		status, body = http.StatusMethodNotAllowed, map[string]string{"error": "Method not allowed"}
	case r.Header.Get("Metadata") != "true":
		status, body = http.StatusBadRequest, map[string]string{"error": "Bad request. Required metadata header not specified"}
	default:
		status, body = http.StatusOK, c.Certification()
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errcheck // the client may be gone, and then there is no one to tell
}
