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

	"kafka-e2ee/lab/rest"
	"kafka-e2ee/skrclient/policy"
)

// version is one version of a named key.
type version struct {
	id      string // of 32 hex digits
	name    string
	kty     string
	ops     []string
	private *rsa.PrivateKey
	created time.Time
	updated time.Time
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

// target identifies a key. Without a version it means the newest.
type target struct{ name, version string }

func isName(name string) bool {
	return name != "" && len(name) <= 127 && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
	})
}

// create makes a key, or a new version of an existing key. A new version inherits
// the policy if the request has none.
func (v *Vault) create(w http.ResponseWriter, r *http.Request, at target) (any, *rest.Error) {
	body := struct {
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
	if refusal := rest.Read(w, r, rest.BodyTime, &body); refusal != nil {
		return nil, refusal
	}
	if body.Type != "RSA" && body.Type != "RSA-HSM" {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "Only the key types RSA and RSA-HSM are emulated.")
	}
	if !slices.Contains([]int{2048, 3072, 4096}, body.Size) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The key size is not supported: use 2048, 3072 or 4096.")
	}
	if body.Attributes.Exportable && body.Policy == nil {
		if before, refusal := v.find(at); refusal == nil {
			body.Policy = before.policy
		}
	}
	if refusal := v.checkPolicy(body.Attributes.Exportable, body.Policy); refusal != nil {
		return nil, refusal
	}
	if !withinLimits(body.Ops, body.Tags) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The limit is %d operations and tags, of %d bytes each.", maxTags, maxTagBytes)
	}
	private, err := rsa.GenerateKey(rand.Reader, body.Size)
	if err != nil {
		return nil, rest.Refuse(http.StatusInternalServerError, "InternalError", "The key cannot be created.")
	}
	created := &version{
		name: at.name, kty: body.Type, ops: body.Ops, private: private,
		enabled: body.Attributes.Enabled == nil || *body.Attributes.Enabled, policy: body.Policy, tags: body.Tags,
	}
	if err := v.add(created); err != nil {
		return nil, rest.Refuse(http.StatusForbidden, "Forbidden", "The emulated vault is full: %s.", err)
	}
	return v.bundle(created), nil
}

// Limits of the stored keys. A version with a policy takes less than 50 KiB.
const (
	maxVersions = 500 // of all keys together
	maxTags     = 16
	maxTagBytes = 256
)

func withinLimits(ops []string, tags map[string]string) bool {
	for name, value := range tags {
		if len(name) > maxTagBytes || len(value) > maxTagBytes {
			return false
		}
	}
	return len(ops) <= maxTags && len(tags) <= maxTags && !slices.ContainsFunc(ops, func(op string) bool { return len(op) > maxTagBytes })
}

// Add adds a key that was created elsewhere, as the newest version of the name, and
// returns the version's id.
func (v *Vault) Add(name string, private *rsa.PrivateKey, p policy.Policy) (id string, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("adding key %q: %w", name, err)
	}
	rules := &releasePolicy{ContentType: policyContent, Data: base64.RawURLEncoding.EncodeToString(text)}
	if refusal := v.checkPolicy(true, rules); refusal != nil {
		return "", fmt.Errorf("adding key %q: %w", name, refusal)
	}
	added := &version{name: name, kty: "RSA-HSM", ops: []string{"wrapKey", "unwrapKey", "encrypt", "decrypt"}, private: private, enabled: true, policy: rules}
	if err := v.add(added); err != nil {
		return "", fmt.Errorf("adding key %q: %w", name, err)
	}
	return added.id, nil
}

// add gives the version an id and makes it the newest.
func (v *Vault) add(key *version) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	key.id, key.created = hex.EncodeToString(id), v.cfg.Now()
	key.updated = key.created
	v.mu.Lock()
	defer v.mu.Unlock()
	all := 0
	for _, versions := range v.keys {
		all += len(versions)
	}
	if all >= maxVersions {
		return fmt.Errorf("got %d versions, limit %d", all+1, maxVersions)
	}
	v.keys[key.name] = append(v.keys[key.name], key)
	return nil
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
			"The release policy does not require %s: every confidential workload could get the key. (The real service would accept it; this one needs the option that allows it.)", policy.ClaimHostData)
	}
	return nil
}

func (v *Vault) find(at target) (*version, *rest.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i, refusal := v.indexOf(at)
	if refusal != nil {
		return nil, refusal
	}
	return v.keys[at.name][i], nil
}

// indexOf needs the lock.
func (v *Vault) indexOf(at target) (int, *rest.Error) {
	for i, key := range slices.Backward(v.keys[at.name]) {
		if at.version == "" || at.version == key.id {
			return i, nil
		}
	}
	return 0, rest.Refuse(http.StatusNotFound, "KeyNotFound", "A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.", at)
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
		"enabled": key.enabled, "exportable": key.policy != nil, "created": key.created.Unix(), "updated": key.updated.Unix(),
		"recoveryLevel": "Purgeable", "recoverableDays": 0,
	}
}
