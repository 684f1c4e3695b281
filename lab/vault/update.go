package vault

import (
	"net/http"
	"strings"

	"kafka-e2ee/lab/rest"
)

// update changes attributes, operations, tags or the release policy of a version, and nothing that the request does not
// name. Like Managed HSM it accepts another release policy, unless the present one is immutable. Whether Azure Key Vault
// does, is not certain.
func (v *Vault) update(w http.ResponseWriter, r *http.Request, at target) (any, *rest.Error) {
	var body struct {
		Ops        []string `json:"key_ops"`
		Attributes struct {
			Enabled    *bool `json:"enabled"`
			Exportable *bool `json:"exportable"`
		} `json:"attributes"`
		Policy *releasePolicy    `json:"release_policy"`
		Tags   map[string]string `json:"tags"`
	}
	if refusal := rest.Read(w, r, rest.BodyTime, &body); refusal != nil {
		return nil, refusal
	}
	if !withinLimits(body.Ops, body.Tags) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The limit is %d operations and tags, of %d bytes each.", maxTags, maxTagBytes)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	i, refusal := v.indexOf(at)
	if refusal != nil {
		return nil, refusal
	}
	// A copy, because a release in progress uses the version without the lock.
	updated := *v.keys[at.name][i]
	if exportable := body.Attributes.Exportable; exportable != nil && *exportable != (updated.policy != nil) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "Whether a key is exportable is decided when it is created.")
	}
	if body.Policy != nil {
		if refusal := v.checkPolicy(updated.policy != nil, body.Policy); refusal != nil {
			return nil, refusal
		}
		if updated.policy.Immutable && !updated.policy.equal(body.Policy) {
			return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The release policy is immutable: it cannot be changed.")
		}
		updated.policy = body.Policy
	}
	if body.Attributes.Enabled != nil {
		updated.enabled = *body.Attributes.Enabled
	}
	if body.Ops != nil {
		updated.ops = body.Ops
	}
	if body.Tags != nil {
		updated.tags = body.Tags
	}
	updated.updated = v.cfg.Now()
	v.keys[at.name][i] = &updated
	return v.bundle(&updated), nil
}

func (p *releasePolicy) equal(other *releasePolicy) bool {
	return p.Immutable == other.Immutable && strings.TrimRight(p.Data, "=") == strings.TrimRight(other.Data, "=")
}
