package attest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"

	"kafka-e2ee/skrclient/policy"
)

const lifetime = 8 * time.Hour // like the real service

// signer signs tokens with RS256.
type signer struct {
	jose jose.Signer
	kid  string
	x5c  []string
}

func newSigner(host string, cert tls.Certificate) (*signer, error) {
	thumbprint := sha256.Sum256(cert.Certificate[0])
	s := &signer{kid: base64.RawURLEncoding.EncodeToString(thumbprint[:])}
	for _, der := range cert.Certificate {
		s.x5c = append(s.x5c, base64.StdEncoding.EncodeToString(der))
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.kid).WithHeader("jku", "https://"+host+"/certs")
	var err error
	s.jose, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: cert.PrivateKey}, options)
	return s, err
}

// keys is the answer of /certs. Like the real service's it has certificates, but
// no n and e.
func (s *signer) keys() any {
	return map[string]any{"keys": []any{map[string]any{"kid": s.kid, "kty": "RSA", "x5c": s.x5c}}}
}

func (s *signer) sign(claims map[string]any) (string, error) {
	return jwt.Signed(s.jose).Claims(claims).Serialize()
}

// claims returns the claims that the real service derives from a report.
func (s *Service) claims(report *spb.Report, runtime map[string]any, nonce json.RawMessage) map[string]any {
	now, jti := s.cfg.Now(), make([]byte, 32)
	_, _ = rand.Read(jti) // it never fails
	guest, err := abi.ParseSnpPolicy(report.GetPolicy())
	if err != nil {
		guest.Debug = true // unreachable: the report was parsed with its policy
	}
	tcb := kds.DecomposeTCBVersion(kds.TCBVersion(report.GetReportedTcb()))
	text := hex.EncodeToString
	claims := map[string]any{
		"iss": s.issuer(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(), "jti": text(jti),
		"x-ms-ver":           "1.0",
		policy.ClaimType:     "sevsnpvm",
		"x-ms-policy-hash":   base64.RawURLEncoding.EncodeToString(make([]byte, sha256.Size)), // there is no policy
		"x-ms-runtime":       runtime,
		policy.ClaimHostData: text(report.GetHostData()),
		policy.ClaimDebug:    guest.Debug,
		policy.ClaimVMPL:     report.GetVmpl(),
	}
	for name, value := range map[string]any{
		"launchmeasurement": text(report.GetMeasurement()),
		"migration-allowed": guest.MigrateMA,
		"smt-allowed":       guest.SMT,
		"bootloader-svn":    tcb.BlSpl,
		"tee-svn":           tcb.TeeSpl,
		"snpfw-svn":         tcb.SnpSpl,
		"microcode-svn":     tcb.UcodeSpl,
		"guestsvn":          report.GetGuestSvn(),
		"familyId":          text(report.GetFamilyId()),
		"imageId":           text(report.GetImageId()),
		"reportid":          text(report.GetReportId()),
		"reportdata":        text(report.GetReportData()),
		"idkeydigest":       text(report.GetIdKeyDigest()),
		"authorkeydigest":   text(report.GetAuthorKeyDigest()),
	} {
		claims["x-ms-sevsnpvm-"+name] = value
	}
	if status := s.compliance(report); status != "" {
		claims[policy.ClaimCompliance] = status
	}
	if len(nonce) > 0 {
		claims["nonce"] = nonce
	}
	return claims
}

func (s *Service) compliance(report *spb.Report) string {
	if s.cfg.DangerouslyAcceptAnyReport {
		return s.cfg.AnyCompliance
	}
	return s.cfg.Compliance[[abi.MeasurementSize]byte(report.GetMeasurement())]
}
