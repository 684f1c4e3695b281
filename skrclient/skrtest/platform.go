package skrtest

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// Platform is what a sidecar stands on: hardware, attestation service, vault. A
// test does without and gives its keys to [New]; a lab that emulates all of it
// gives the platform to [On].
type Platform interface {
	// Release gets a key. The text of an error becomes that of the refusal.
	Release(ctx context.Context, asked Asked) (*rsa.PrivateKey, error)
	// Attest makes a report that is bound to the runtime data and, where an
	// attestation service is named, gets that service's token for it.
	Attest(ctx context.Context, maaEndpoint string, runtimeData []byte) (Attestation, error)
}

// Attestation is what proves the state of a guest.
type Attestation struct {
	Report []byte // of 1184 bytes
	Chain  []byte // the certificates behind the report, PEM
	TCB    string // the firmware level of the certificates, 16 hex digits
	Token  string // of the attestation service
}

// On makes a sidecar that stands on a platform.
func On(platform Platform) *Sidecar {
	s := newSidecar()
	s.platform = platform
	return s
}

// attestRequest is the body of every /attest request; the runtime data is
// standard base64.
type attestRequest struct {
	MAAEndpoint string `json:"maa_endpoint"`
	RuntimeData string `json:"runtime_data"`
}

// attest runs one request. The real sidecar's statuses differ from path to path,
// so each handler has its own for a bad request and for a failure.
func (s *Sidecar) attest(w http.ResponseWriter, r *http.Request, bad, failed int) (Attestation, bool) {
	var asked attestRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked); err != nil {
		refuse(w, bad, "parsing the request failed")
		return Attestation{}, false
	}
	data, err := base64.StdEncoding.DecodeString(asked.RuntimeData)
	if err != nil {
		refuse(w, bad, "decoding base64-encoded runtime data of request failed: "+err.Error())
		if r.URL.Path == "/attest/maa" {
			answer(w, 0, map[string]string{"token": ""}) // the real one forgets to return
		}
		return Attestation{}, false
	}
	var object map[string]json.RawMessage
	if r.URL.Path == "/attest/maa" && (asked.MAAEndpoint == "" || json.Unmarshal(data, &object) != nil || object == nil) {
		refuse(w, bad, "attestation failed: want maa_endpoint, and a JSON object as runtime data")
		return Attestation{}, false
	}
	if r.URL.Path != "/attest/maa" {
		asked.MAAEndpoint = ""
	}
	if s.platform == nil {
		refuse(w, failed, RefusalAttestation.text(Asked{MAAEndpoint: asked.MAAEndpoint}))
		return Attestation{}, false
	}
	made, err := s.platform.Attest(r.Context(), asked.MAAEndpoint, data)
	if err != nil {
		refuse(w, failed, err.Error())
		return Attestation{}, false
	}
	return made, true
}

func (s *Sidecar) attestMAA(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.attest(w, r, http.StatusForbidden, http.StatusForbidden); ok {
		answer(w, http.StatusOK, map[string]string{"token": made.Token})
	}
}

func (s *Sidecar) attestRaw(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.attest(w, r, http.StatusBadRequest, http.StatusForbidden); ok {
		answer(w, http.StatusOK, map[string]string{"report": hex.EncodeToString(made.Report)})
	}
}

func (s *Sidecar) attestCombined(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.attest(w, r, http.StatusBadRequest, http.StatusInternalServerError); ok {
		answer(w, http.StatusOK, map[string]string{
			"evidence": base64.StdEncoding.EncodeToString(made.Report), "endorsements": base64.StdEncoding.EncodeToString(made.Chain),
			"endorsed_tcb": made.TCB, "uvm_endorsements": "", // there is no virtual machine that anyone signed
		})
	}
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}
