// Package vault emulates a key vault (Azure Key Vault, Managed HSM). It makes RSA
// keys, and releases a key only to a workload that satisfies its release policy.
//
//	v, err := vault.New(vault.Config{Host: "vault.example", …})
//	v.Grant("pod", vault.ReleaseUser)
//
// Keys are in this process's memory and end with it. There is no hardware, no
// recovery of deleted keys, and no cryptographic operation inside the vault.
package vault

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/lab/rest"
	"kafka-e2ee/skrclient/policy"
)

// Identities verifies bearer tokens and returns their identity.
type Identities interface {
	Verify(token, resource string) (clientID string, err error)
}

// Config configures the vault and its trust.
type Config struct {
	Host string // of the vault; key ids begin with https://Host
	// Certificate is the server's, RSA, issued for Host. It also signs releases, and
	// readers of a release verify its chain.
	Certificate tls.Certificate
	Identities  Identities
	// Authorities fetches the signing keys of the attestation services in policies.
	// It should reach nothing else: anyone who may create keys chooses these hosts.
	Authorities *http.Client
	// DangerouslyAllowAnyWorkload accepts policies that do not require host data.
	// Every confidential workload, whoever runs it, can get such a key.
	DangerouslyAllowAnyWorkload bool
	// OnPolicy gets the claims of an attestation token that do not satisfy the release policy of a key, none if all do.
	// Optional.
	OnPolicy func(key string, unmet []policy.Check)
	Logger   *slog.Logger
	Now      func() time.Time // nil means time.Now
}

// Vault is an http.Handler, safe for concurrent use.
type Vault struct {
	cfg    Config
	signer jose.Signer
	mux    *http.ServeMux

	mu        sync.Mutex
	keys      map[string][]*version // the newest last
	roles     map[string][]Role     // by client id
	throttled time.Time
}

// New returns an empty vault.
func New(cfg Config) (*Vault, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	signer, err := releaseSigner(cfg.Certificate)
	if err != nil {
		return nil, fmt.Errorf("making the vault: %w", err)
	}
	v := &Vault{cfg: cfg, signer: signer, keys: make(map[string][]*version), roles: make(map[string][]Role)}
	v.mux = v.routes()
	return v, nil
}

// ThrottleUntil makes releases fail with status 429 until the time t.
func (v *Vault) ThrottleUntil(t time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.throttled = t
}

// Grant gives the identity a role. It works at once; in Azure it takes up to a day.
func (v *Vault) Grant(clientID string, role Role) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.roles[clientID] = append(v.roles[clientID], role)
}

// Revoke takes all roles from the identity, at once.
func (v *Vault) Revoke(clientID string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.roles, clientID)
}

// Roles returns the roles of the identity.
func (v *Vault) Roles(clientID string) []Role {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.roles[clientID])
}

// Resource returns the resource for which access tokens must have been issued.
func (v *Vault) Resource() string {
	for _, cloud := range []string{"vault.azure.net", "managedhsm.azure.net"} {
		if strings.HasSuffix(v.cfg.Host, "."+cloud) {
			return "https://" + cloud
		}
	}
	_, parent, _ := strings.Cut(v.cfg.Host, ".")
	return "https://" + parent
}

// operation handles a request for one key, or for all if the target is empty.
type operation func(w http.ResponseWriter, r *http.Request, at target) (any, *rest.Error)

func (v *Vault) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, route := range map[string]struct {
		needs action
		do    operation
	}{
		"GET /keys":                           {actionRead, v.list},
		"POST /keys/{name}/create":            {actionCreate, v.create},
		"GET /keys/{name}":                    {actionRead, v.get},
		"GET /keys/{name}/{version}":          {actionRead, v.get},
		"PATCH /keys/{name}":                  {actionUpdate, v.update},
		"PATCH /keys/{name}/{version}":        {actionUpdate, v.update},
		"GET /keys/{name}/versions":           {actionRead, v.versions},
		"DELETE /keys/{name}":                 {actionDelete, v.delete},
		"POST /keys/{name}/release":           {actionRelease, v.release},
		"POST /keys/{name}/{version}/release": {actionRelease, v.release},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, refusal := v.perform(w, r, route.needs, route.do)
			if refusal == nil {
				rest.Write(w, http.StatusOK, body)
				return
			}
			v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request refused",
				slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", refusal.Status), slog.String("code", refusal.Code))
			refusal.Fail(w)
		})
	}
	return mux
}

// ServeHTTP serves the keys. It ignores empty path segments: clients send
// /keys/NAME/ and /keys/NAME//release for the newest version.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := slices.DeleteFunc(strings.Split(r.URL.Path, "/"), func(part string) bool { return part == "" })
	r.URL.Path = "/" + strings.Join(parts, "/")
	v.mux.ServeHTTP(w, r)
}

func (v *Vault) perform(w http.ResponseWriter, r *http.Request, needs action, do operation) (any, *rest.Error) {
	caller, refusal := v.caller(w, r)
	if refusal != nil {
		return nil, refusal
	}
	if !slices.Contains([]string{"7.3", "7.4", "7.5", "7.6", "2025-07-01"}, apiVersion(r)) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The api-version is missing or not supported: use 7.4.")
	}
	if refusal := v.allow(caller, needs); refusal != nil {
		return nil, refusal
	}
	at := target{r.PathValue("name"), r.PathValue("version")}
	if at.name != "" && !isName(at.name) {
		return nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "A key's name has 1 to 127 letters, digits and hyphens.")
	}
	return do(w, r, at)
}

func apiVersion(r *http.Request) string { return r.URL.Query().Get("api-version") }
