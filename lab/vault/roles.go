package vault

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"kafka-e2ee/lab/rest"
)

// Role permits actions to an identity. It has the name of Azure's role. In a
// Managed HSM the names begin with "Managed HSM" instead of "Key Vault".
type Role string

// The roles. User does not permit release, although its name suggests it, but does permit a change
// of the release policy.
const (
	Officer     Role = "Key Vault Crypto Officer"
	User        Role = "Key Vault Crypto User"
	ReleaseUser Role = "Key Vault Crypto Service Release User"
)

type action string

const (
	actionCreate  action = "create"
	actionRead    action = "read"
	actionUpdate  action = "update"
	actionDelete  action = "delete"
	actionRelease action = "release"
)

func (r Role) allows(needs action) bool {
	switch Role(strings.Replace(string(r), "Managed HSM", "Key Vault", 1)) {
	case Officer:
		return true
	case User:
		return needs == actionRead || needs == actionUpdate
	case ReleaseUser:
		return needs == actionRelease
	default:
		return false
	}
}

// caller returns the identity in the bearer token. Like the service's, the refusal
// says where to get a token.
func (v *Vault) caller(w http.ResponseWriter, r *http.Request) (string, *rest.Error) {
	refuse := func(message string) (string, *rest.Error) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="https://login.%s/lab", resource="%s"`, strings.TrimPrefix(v.Resource(), "https://"), v.Resource()))
		return "", rest.Refuse(http.StatusUnauthorized, "Unauthorized", "%s", message)
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		return refuse("AKV10000: Request is missing a Bearer or PoP token.")
	}
	id, err := v.cfg.Identities.Verify(token, v.Resource())
	if err != nil {
		return refuse("AKV10032: Invalid token: it is expired, for another resource, or not from the identity provider.")
	}
	return id, nil
}

func (v *Vault) allow(clientID string, needs action) *rest.Error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if slices.ContainsFunc(v.roles[clientID], func(role Role) bool { return role.allows(needs) }) {
		return nil
	}
	refusal := rest.Refuse(http.StatusForbidden, "Forbidden",
		"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=%s\r\nAction: 'Microsoft.KeyVault/vaults/keys/%s/action'\r\nAssignment: (not found)", clientID, needs)
	refusal.Inner = "ForbiddenByRbac"
	return refusal
}
