// Package attest emulates the attestation service (Microsoft Azure Attestation).
// It verifies a report of SEV-SNP hardware, and issues a signed token with the
// claims that the report proves.
//
//	service, err := attest.New(attest.Config{Host: "maa.example", Root: chip.Root(), …})
//
// It keeps no state and has no customers: there is no attestation policy to
// change, and it serves every caller.
package attest

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"

	"kafka-e2ee/lab/rest"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/skrclient/policy"
)

// Config configures the service and its trust.
type Config struct {
	Host        string          // of the service; tokens are issued by https://Host
	Certificate tls.Certificate // RSA; its key signs the tokens
	Root        snp.Root        // of the hardware
	// Compliance maps known launch measurements to their compliance status. The
	// real service learns it from signed endorsements.
	Compliance map[[abi.MeasurementSize]byte]string
	// DangerouslyAcceptAnyReport accepts reports without checking the signature, for
	// clients on machines without SEV-SNP. Anyone can then claim to be any workload.
	// Every measurement then has the status AnyCompliance.
	DangerouslyAcceptAnyReport bool
	AnyCompliance              string
	Logger                     *slog.Logger
	Now                        func() time.Time // nil means time.Now
}

// Service is the attestation service, an http.Handler, safe for concurrent use.
type Service struct {
	cfg    Config
	signer *signer
	mux    *http.ServeMux
}

// New returns a service.
func New(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	signer, err := newSigner(cfg.Host, cfg.Certificate)
	if err != nil {
		return nil, fmt.Errorf("making the attestation service: %w", err)
	}
	s := &Service{cfg: cfg, signer: signer, mux: http.NewServeMux()}
	s.mux.HandleFunc("/attest/SevSnpVM", s.attest)
	s.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		rest.Write(w, http.StatusOK, map[string]any{
			"issuer": s.issuer(), "jwks_uri": s.issuer() + "/certs", "response_types_supported": []string{"token"},
			"id_token_signing_alg_values_supported": []string{"RS256"}, "claims_supported": []string{"iss", "exp", "nbf", "iat", "jti", "x-ms-ver"},
		})
	})
	s.mux.HandleFunc("GET /certs", func(w http.ResponseWriter, _ *http.Request) { rest.Write(w, http.StatusOK, s.signer.keys()) })
	return s, nil
}

func (s *Service) issuer() string { return "https://" + s.cfg.Host }

// ServeHTTP serves /attest/SevSnpVM, and the two paths at which verifiers of
// tokens find the keys.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// request is the body of an attestation request. Report is base64url of a JSON object.
type request struct {
	Report      string          `json:"report"`
	RuntimeData data            `json:"runtimeData"`
	InitTime    data            `json:"initTimeData"`
	Nonce       json.RawMessage `json:"nonce"`
}

type data struct {
	Data string `json:"data"`
	Type string `json:"dataType"`
}

func (s *Service) attest(w http.ResponseWriter, r *http.Request) {
	token, refusal := s.issue(w, r)
	if refusal != nil {
		s.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "attestation refused", slog.String("reason", refusal.Error()))
		refusal.Fail(w)
		return
	}
	rest.Write(w, http.StatusOK, map[string]string{"token": token})
}

func (s *Service) issue(w http.ResponseWriter, r *http.Request) (string, *rest.Error) {
	if r.Method != http.MethodPost {
		return "", rest.Refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "Attesting requires POST.")
	}
	if version := r.URL.Query().Get("api-version"); version != "2020-10-01" && version != "2022-08-01" {
		return "", rest.Refuse(http.StatusBadRequest, "InvalidParameter", "api-version must be 2020-10-01 or 2022-08-01.")
	}
	var body request
	if refusal := rest.Read(w, r, rest.BodyTime, &body); refusal != nil {
		return "", refusal
	}
	report, runtime, err := s.evidence(body)
	if err != nil {
		return "", invalid(err)
	}
	token, err := s.signer.sign(s.claims(report, runtime, body.Nonce))
	if err != nil {
		return "", rest.Refuse(http.StatusInternalServerError, "InternalError", "The token cannot be signed.")
	}
	return token, nil
}

func invalid(err error) *rest.Error {
	return rest.Refuse(http.StatusBadRequest, "InvalidParameter", "The attestation is not valid: %s.", err)
}

// evidence verifies the report and returns it with the runtime data that the guest
// bound to it.
func (s *Service) evidence(body request) (*spb.Report, map[string]any, error) {
	var parts struct{ SnpReport, VcekCertChain, Endorsements string }
	inner, err := base64url(body.Report)
	if err != nil || json.Unmarshal(inner, &parts) != nil {
		return nil, nil, errors.New("report is not base64url of an object with SnpReport and VcekCertChain")
	}
	raw, err := base64url(parts.SnpReport)
	if err != nil {
		return nil, nil, errors.New("SnpReport is not base64url")
	}
	chain, err := base64url(parts.VcekCertChain)
	if err != nil {
		return nil, nil, errors.New("VcekCertChain is not base64url")
	}
	verify := s.cfg.Root.Verify
	if s.cfg.DangerouslyAcceptAnyReport {
		verify = func(report, _ []byte) (*spb.Report, error) { return snp.Read(report) }
	}
	report, err := verify(raw, chain)
	if err != nil {
		return nil, nil, err
	}
	text, err := base64url(body.RuntimeData.Data)
	if err != nil || body.RuntimeData.Type != "JSON" {
		return nil, nil, errors.New("runtimeData is not base64url with dataType JSON")
	}
	hash := sha256.Sum256(text)
	if want := append(hash[:], make([]byte, 32)...); !bytes.Equal(report.GetReportData(), want) {
		return nil, nil, errors.New("the report data is not the SHA-256 of runtimeData")
	}
	if body.InitTime.Data != "" {
		return nil, nil, errors.New("initTimeData is not emulated")
	}
	runtime, err := policy.ParseClaims(text)
	if err != nil {
		return nil, nil, errors.New("runtimeData is not a JSON object")
	}
	return report, runtime, nil
}

// base64url also accepts padded text, because the upstream sidecar sends it.
func base64url(text string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
}
