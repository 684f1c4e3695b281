package vault

import (
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/lab/keywrap"
	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/rest"
)

// release is the decision: a key leaves only if an attestation service that its
// policy names has signed, for a time that includes now, what the policy asks.
func (v *Vault) release(w http.ResponseWriter, r *http.Request, at target) (any, *rest.Error) {
	v.mu.Lock()
	throttled := v.cfg.Now().Before(v.throttled)
	v.mu.Unlock()
	if throttled {
		w.Header().Set("Retry-After", "1")
		return nil, rest.Refuse(http.StatusTooManyRequests, "Throttled", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
	}
	asked := struct {
		Target string            `json:"target"`
		Enc    keywrap.Algorithm `json:"enc"`
	}{Enc: keywrap.CKM}
	if refusal := rest.Read(w, r, rest.BodyTime, &asked); refusal != nil {
		return nil, refusal
	}
	if !asked.Enc.Known() {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The property enc is not supported: use CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 or RSA_AES_KEY_WRAP_384.")
	}
	key, refusal := v.find(at)
	if refusal != nil {
		return nil, refusal
	}
	if key.policy == nil {
		return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "The key is not exportable.")
	}
	if !key.enabled {
		disabled := rest.Refuse(http.StatusForbidden, "Forbidden", "Operation release is not allowed on a disabled key.")
		disabled.Inner = "KeyDisabled"
		return nil, disabled
	}
	issuer, claims, err := v.verify(r.Context(), asked.Target, key.policy.parsed)
	if err != nil {
		v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "attestation token refused", slog.String("key", at.String()), slog.String("reason", err.Error()))
		if errors.Is(err, errUnreachable) {
			return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "AKV.SKR.1012: The specified attestation service %s cannot be reached.", issuer)
		}
		return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "Target environment attestation statement cannot be verified.")
	}
	if decision := key.policy.parsed.Decide(issuer, claims); !decision.Released {
		// The answer does not name the claim, as the real one does not; the log does.
		v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "release policy not satisfied", slog.String("key", at.String()),
			slog.String("claim", decision.Claim), slog.String("want", decision.Want), slog.String("got", decision.Got))
		return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "Target environment attestation statement cannot be verified against the release policy.")
	}
	wrapping, err := wrappingKey(claims)
	if err != nil {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The attestation statement holds no usable wrapping key: %s.", err)
	}
	value, err := v.sign(key, wrapping, asked.Enc, apiVersion(r))
	if err != nil {
		return nil, rest.Refuse(http.StatusInternalServerError, "InternalError", "The release cannot be made.")
	}
	v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "key released", slog.String("key", at.String()), slog.String("version", key.id))
	return map[string]string{"value": value}, nil
}

// wrappingKey is the first RSA key for encryption among the runtime claims: the
// hardware has vouched that the guest, and no one else, has its private half.
func wrappingKey(claims policy.Claims) (*rsa.PublicKey, error) {
	text, err := json.Marshal(claims["x-ms-runtime"])
	if err != nil {
		return nil, errors.New("no runtime claims")
	}
	var runtime struct {
		Keys []struct {
			Kty, N, E string
			Ops       []string `json:"key_ops"`
		}
	}
	if json.Unmarshal(text, &runtime) != nil {
		return nil, errors.New("the runtime claims hold no list of keys")
	}
	for _, key := range runtime.Keys {
		for _, op := range key.Ops {
			if key.Kty == "RSA" && (op == "encrypt" || op == "wrapKey") {
				return publicKey(key.N, key.E)
			}
		}
	}
	return nil, errors.New("no RSA key for encryption")
}

func publicKey(n, e string) (*rsa.PublicKey, error) {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return nil, errors.New("n is not base64url")
	}
	exponent, err := base64.RawURLEncoding.DecodeString(e)
	if err != nil || len(exponent) > 4 {
		return nil, errors.New("e is not a small number in base64url")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	if bits := key.N.BitLen(); bits < 2048 || bits > 8192 || key.E != 65537 {
		return nil, errors.New("want 2048 to 8192 bits and the exponent 65537")
	}
	return key, nil
}

// sign writes the release as a JWS with the vault's certificates.
func (v *Vault) sign(key *version, wrapping *rsa.PublicKey, enc keywrap.Algorithm, api string) (string, error) {
	wrapped, err := keywrap.Wrap(wrapping, enc, key.private)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	hsm, err := json.Marshal(map[string]any{
		"schema_version": "1.0",
		"header":         map[string]any{"kid": v.kid(key), "alg": "dir", "enc": enc},
		"ciphertext":     b64(wrapped),
	})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(map[string]any{
		"request": map[string]any{"api-version": api, "enc": enc, "kid": v.kid(key)},
		"response": map[string]any{"key": map[string]any{
			"attributes":     attributes(key),
			"key":            map[string]any{"kid": v.kid(key), "kty": key.kty, "key_ops": key.ops, "key_hsm": b64(hsm)},
			"release_policy": key.policy,
		}},
	})
	if err != nil {
		return "", err
	}
	signed, err := v.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func releaseSigner(cert tls.Certificate) (jose.Signer, error) {
	var x5c []string
	for _, der := range cert.Certificate {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(der))
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: cert.PrivateKey},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", cert.Leaf.Subject.CommonName).WithHeader("x5c", x5c))
}
