package vault

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/rest"
)

// version is one key pair under a name.
type version struct {
	id      string // of 32 hex digits
	name    string
	kty     string
	ops     []string
	private *rsa.PrivateKey
	created time.Time
	enabled bool
	policy  *releasePolicy // nil: the key is not exportable
	tags    map[string]string
}

type releasePolicy struct {
	ContentType string `json:"contentType"`
	Data        string `json:"data"` // base64url
	Immutable   bool   `json:"immutable"`
	parsed      policy.Policy
}

// target names a key; no version means the newest.
type target struct{ name, version string }

func isName(name string) bool {
	return name != "" && len(name) <= 127 && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
	})
}

// create makes a key, or a new version of one, which keeps the policy unless it
// is given another.
func (v *Vault) create(w http.ResponseWriter, r *http.Request, at target) (any, *rest.Error) {
	asked := struct {
		Type       string   `json:"kty"`
		Size       int      `json:"key_size"`
		Ops        []string `json:"key_ops"`
		Attributes struct {
			Enabled    *bool `json:"enabled"`
			Exportable bool  `json:"exportable"`
		} `json:"attributes"`
		Policy *releasePolicy    `json:"release_policy"`
		Tags   map[string]string `json:"tags"`
	}{Size: 2048}
	if refusal := rest.Read(w, r, rest.BodyTime, &asked); refusal != nil {
		return nil, refusal
	}
	if asked.Type != "RSA" && asked.Type != "RSA-HSM" {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "Only the key types RSA and RSA-HSM are emulated.")
	}
	if !slices.Contains([]int{2048, 3072, 4096}, asked.Size) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The key size is not supported: use 2048, 3072 or 4096.")
	}
	if asked.Attributes.Exportable && asked.Policy == nil {
		if before, refusal := v.find(at); refusal == nil {
			asked.Policy = before.policy
		}
	}
	if refusal := v.checkPolicy(asked.Attributes.Exportable, asked.Policy); refusal != nil {
		return nil, refusal
	}
	private, err := rsa.GenerateKey(rand.Reader, asked.Size)
	if err != nil {
		return nil, rest.Refuse(http.StatusInternalServerError, "InternalError", "The key cannot be made.")
	}
	made := &version{
		name: at.name, kty: asked.Type, ops: asked.Ops, private: private,
		enabled: asked.Attributes.Enabled == nil || *asked.Attributes.Enabled, policy: asked.Policy, tags: asked.Tags,
	}
	v.add(made)
	return v.bundle(made), nil
}

// Restore puts back a key that an earlier vault made, as the newest version.
func (v *Vault) Restore(name string, private *rsa.PrivateKey, p policy.Policy) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("restoring key %q: %w", name, err)
	}
	rules := &releasePolicy{ContentType: policyContent, Data: base64.RawURLEncoding.EncodeToString(text)}
	if refusal := v.checkPolicy(true, rules); refusal != nil {
		return fmt.Errorf("restoring key %q: %w", name, refusal)
	}
	v.add(&version{name: name, kty: "RSA-HSM", ops: []string{"wrapKey", "unwrapKey", "encrypt", "decrypt"}, private: private, enabled: true, policy: rules})
	return nil
}

// add gives the version its id and makes it the newest.
func (v *Vault) add(key *version) {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	key.id, key.created = hex.EncodeToString(id), v.cfg.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[key.name] = append(v.keys[key.name], key)
}

const policyContent = "application/json; charset=utf-8"

func (v *Vault) checkPolicy(exportable bool, p *releasePolicy) *rest.Error {
	if !exportable || p == nil {
		switch {
		case exportable:
			return rest.Refuse(http.StatusBadRequest, "BadParameter", "Exportable keys must have release policy.")
		case p != nil:
			return rest.Refuse(http.StatusBadRequest, "BadParameter", "A release policy needs an exportable key.")
		}
		return nil
	}
	if p.ContentType != "" && p.ContentType != policyContent {
		return rest.Refuse(http.StatusBadRequest, "BadParameter", "The content type of a release policy is application/json; charset=utf-8.")
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p.Data, "="))
	if err != nil {
		return rest.Refuse(http.StatusBadRequest, "BadParameter", "The data of the release policy is not base64url.")
	}
	if p.parsed, err = policy.Parse(text); err != nil {
		return rest.Refuse(http.StatusBadRequest, "BadParameter", "The release policy is not valid: %s.", err)
	}
	if !v.cfg.DangerouslyAllowAnyWorkload && !p.parsed.Requires(policy.ClaimHostData) {
		return rest.Refuse(http.StatusBadRequest, "BadParameter",
			"The release policy does not ask for %s: the key would go to every confidential workload. (The real service would take it; this one wants to be started with the option that allows it.)", policy.ClaimHostData)
	}
	return nil
}

func (v *Vault) find(at target) (*version, *rest.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range slices.Backward(v.keys[at.name]) {
		if at.version == "" || at.version == key.id {
			return key, nil
		}
	}
	return nil, rest.Refuse(http.StatusNotFound, "KeyNotFound", "A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.", at)
}

func (t target) String() string { return strings.TrimSuffix(t.name+"/"+t.version, "/") }

func (v *Vault) get(_ http.ResponseWriter, _ *http.Request, at target) (any, *rest.Error) {
	key, refusal := v.find(at)
	if refusal != nil {
		return nil, refusal
	}
	return v.bundle(key), nil
}

func (v *Vault) list(http.ResponseWriter, *http.Request, target) (any, *rest.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	items := []any{}
	for name, versions := range v.keys {
		items = append(items, map[string]any{"kid": "https://" + v.cfg.Host + "/keys/" + name, "attributes": attributes(versions[len(versions)-1])})
	}
	return map[string]any{"value": items, "nextLink": nil}, nil
}

func (v *Vault) versions(_ http.ResponseWriter, _ *http.Request, at target) (any, *rest.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	items := []any{}
	for _, key := range v.keys[at.name] {
		items = append(items, map[string]any{"kid": v.kid(key), "attributes": attributes(key)})
	}
	return map[string]any{"value": items, "nextLink": nil}, nil
}

func (v *Vault) delete(_ http.ResponseWriter, _ *http.Request, at target) (any, *rest.Error) {
	key, refusal := v.find(at)
	if refusal != nil {
		return nil, refusal
	}
	bundle := v.bundle(key)
	bundle["deletedDate"] = v.cfg.Now().Unix()
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.keys, at.name)
	return bundle, nil
}

func (v *Vault) kid(key *version) string {
	return "https://" + v.cfg.Host + "/keys/" + key.name + "/" + key.id
}

func (v *Vault) bundle(key *version) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	bundle := map[string]any{
		"key": map[string]any{
			"kid": v.kid(key), "kty": key.kty, "key_ops": key.ops,
			"n": b64(key.private.N.Bytes()), "e": b64(big.NewInt(int64(key.private.E)).Bytes()),
		},
		"attributes": attributes(key),
		"tags":       key.tags,
	}
	if key.policy != nil {
		bundle["release_policy"] = key.policy
	}
	return bundle
}

func attributes(key *version) map[string]any {
	return map[string]any{
		"enabled": key.enabled, "exportable": key.policy != nil, "created": key.created.Unix(), "updated": key.created.Unix(),
		"recoveryLevel": "Purgeable", "recoverableDays": 0,
	}
}
