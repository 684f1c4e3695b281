package skrtest

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Platform is what a sidecar runs on: hardware, attestation service and vault. A test gives keys to [New] instead. A lab
// that emulates the platform gives it to [NewWithPlatform].
type Platform interface {
	// Release returns a key. The text of an error becomes that of the refusal. If attestation failed, it must begin with
	// "attestation failed: ".
	Release(ctx context.Context, request KeyRequest) (*rsa.PrivateKey, error)
	// Attest makes a report that is bound to the runtime data. If an attestation service is named, it also gets the
	// service's token. The text of an error becomes that of the refusal.
	Attest(ctx context.Context, maaEndpoint string, runtimeData []byte) (Attestation, error)
}

// Attestation proves the state of a guest.
type Attestation struct {
	Report []byte // 1184 bytes
	Chain  []byte // the certificates of the report, PEM
	TCB    string // the firmware level of the certificates, 16 hex digits
	Token  string // from the attestation service
}

// NewWithPlatform makes a sidecar on a platform.
func NewWithPlatform(platform Platform) *Sidecar {
	s := newSidecar()
	s.platform = platform
	return s
}

// attestRequest is the body of every /attest request. The runtime data is standard base64.
type attestRequest struct {
	MAAEndpoint string `json:"maa_endpoint"`
	RuntimeData string `json:"runtime_data"`
}

// decode decodes the body of an /attest request. It answers an invalid one with status 400.
func (s *Sidecar) decode(w http.ResponseWriter, r *http.Request) (request attestRequest, runtimeData []byte, ok bool) {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request)
	forToken := r.URL.Path == "/attest/maa"
	if !forToken {
		request.MAAEndpoint = ""
	}
	if err == nil && (request.RuntimeData == "" || forToken && request.MAAEndpoint == "") {
		err = errors.New("a required field is missing")
	}
	if err != nil {
		s.refuse(w, http.StatusBadRequest, "invalid request format", err.Error())
		return request, nil, false
	}
	runtimeData, err = base64.StdEncoding.DecodeString(request.RuntimeData)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, "decoding base64-encoded runtime data of request failed", err.Error())
		return request, nil, false
	}
	return request, runtimeData, true
}

// attest makes the attestation that a request asks for. It answers a failure with the given status and text, followed by
// the empty response of the real sidecar, which continues after its error.
func (s *Sidecar) attest(w http.ResponseWriter, r *http.Request, status int, failed, empty string) (made Attestation, ok bool) {
	request, runtimeData, ok := s.decode(w, r)
	if !ok {
		return Attestation{}, false
	}
	var err error
	if s.platform != nil {
		made, err = s.platform.Attest(r.Context(), request.MAAEndpoint, runtimeData)
	} else {
		err = errors.New(strings.TrimPrefix(RefusalAttestation.text(KeyRequest{MAAEndpoint: request.MAAEndpoint}), attestationFailed))
	}
	if err != nil {
		s.refuse(w, status, failed, err.Error())
		write(w, empty)
	}
	return made, err == nil
}

func (s *Sidecar) attestMAA(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.attest(w, r, http.StatusForbidden, "attestation failed", `{"token":""}`); ok {
		respond(w, http.StatusOK, map[string]string{"token": made.Token})
	}
}

func (s *Sidecar) attestRaw(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.attest(w, r, http.StatusForbidden, "failure to fetch attestation report hex", `{"report":""}`); ok {
		respond(w, http.StatusOK, map[string]string{"report": hex.EncodeToString(made.Report)})
	}
}

func (s *Sidecar) attestCombined(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.attest(w, r, http.StatusInternalServerError, "failure to fetch attestation report bytes", ""); ok {
		respond(w, http.StatusOK, map[string]string{
			"evidence": base64.StdEncoding.EncodeToString(made.Report), "endorsements": base64.StdEncoding.EncodeToString(made.Chain),
			"endorsed_tcb": made.TCB, "uvm_endorsements": "", // nobody signed a utility VM
		})
	}
}
