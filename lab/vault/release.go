package vault

import (
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/lab/keywrap"
	"kafka-e2ee/lab/rest"
	"kafka-e2ee/skrclient/policy"
)

// release releases a key only if an authority of its policy signed the attestation
// token, the token is valid now, and its claims satisfy the policy.
func (v *Vault) release(w http.ResponseWriter, r *http.Request, at target) (any, *rest.Error) {
	v.mu.Lock()
	throttled := v.cfg.Now().Before(v.throttled)
	v.mu.Unlock()
	if throttled {
		w.Header().Set("Retry-After", "1")
		return nil, rest.Refuse(http.StatusTooManyRequests, "Throttled", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
	}
	body := struct {
		Target string            `json:"target"`
		Enc    keywrap.Algorithm `json:"enc"`
	}{Enc: keywrap.CKM}
	if refusal := rest.Read(w, r, rest.BodyTime, &body); refusal != nil {
		return nil, refusal
	}
	if !body.Enc.Known() {
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
	issuer, claims, err := v.verify(r.Context(), body.Target, key.policy.parsed)
	if err != nil {
		v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "attestation token refused", slog.String("key", at.String()), slog.String("reason", err.Error()))
		if errors.Is(err, errUnreachable) {
			return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "AKV.SKR.1012: The specified attestation service %s cannot be reached.", issuer)
		}
		return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "Target environment attestation statement cannot be verified.")
	}
	unmet := policy.Unmet(key.policy.parsed.Compare(claims))
	if v.cfg.OnPolicy != nil {
		v.cfg.OnPolicy(at.String(), unmet)
	}
	if len(unmet) > 0 {
		// Like the real service, the answer does not name the claim. The log does.
		v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "release policy not satisfied", slog.String("key", at.String()),
			slog.String("claim", unmet[0].Claim), slog.String("want", unmet[0].Expected), slog.String("got", unmet[0].Actual))
		return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "Target environment attestation statement cannot be verified against the release policy.")
	}
	wrapping, err := wrappingKey(claims)
	if err != nil {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The attestation statement holds no usable wrapping key: %s.", err)
	}
	value, err := v.sign(key, wrapping, body.Enc, apiVersion(r))
	if err != nil {
		return nil, rest.Refuse(http.StatusInternalServerError, "InternalError", "The release cannot be made.")
	}
	v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "key released", slog.String("key", at.String()), slog.String("version", key.id))
	return map[string]string{"value": value}, nil
}

// wrappingKey returns the first RSA encryption key of the runtime claims. The
// hardware report binds it to the guest, which alone has the private key.
func wrappingKey(claims policy.Claims) (*rsa.PublicKey, error) {
	text, err := json.Marshal(claims["x-ms-runtime"])
	if err != nil {
		return nil, errors.New("no runtime claims")
	}
	var runtime struct{ Keys []json.RawMessage }
	if json.Unmarshal(text, &runtime) != nil {
		return nil, errors.New("the runtime claims hold no list of keys")
	}
	for _, text := range runtime.Keys {
		var usage struct {
			Ops []string `json:"key_ops"`
		}
		var jwk jose.JSONWebKey
		if json.Unmarshal(text, &usage) != nil || jwk.UnmarshalJSON(text) != nil {
			continue
		}
		key, isRSA := jwk.Key.(*rsa.PublicKey)
		if !isRSA || !slices.Contains(usage.Ops, "encrypt") && !slices.Contains(usage.Ops, "wrapKey") {
			continue
		}
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 || key.E != 65537 {
			return nil, errors.New("want 2048 to 8192 bits and the exponent 65537")
		}
		return key, nil
	}
	return nil, errors.New("no RSA key for encryption")
}

// sign returns the release as a JWS with the vault's certificates.
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
