// Package vault emulates a key vault (Azure Key Vault, Managed HSM): it makes
// RSA keys and releases each only to what its release policy describes.
//
//	v, err := vault.New(vault.Config{Host: "vault.example", …})
//	v.Grant("pod", vault.ReleaseUser)
//
// Keys lie in this process's memory and end with it. There is no hardware, no
// recovery of deleted keys, and no operation with a key inside the vault.
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
)

// Identities tells whose bearer token it is.
type Identities interface {
	Verify(token, resource string) (clientID string, err error)
}

// Config says whom the vault trusts.
type Config struct {
	Host string // of the vault; names of keys begin with https://Host
	// Certificate is the server's, RSA, issued for Host. It signs releases too,
	// and its chain is what a reader of a release verifies.
	Certificate tls.Certificate
	Identities  Identities
	// Authorities fetches the keys of the attestation services that policies
	// name. It should reach nothing else: whoever may create keys chooses names.
	Authorities *http.Client
	// DangerouslyAllowAnyWorkload permits policies that do not ask for host data:
	// such a key goes to every confidential workload, whoever runs it.
	DangerouslyAllowAnyWorkload bool
	Logger                      *slog.Logger
	Now                         func() time.Time // nil means time.Now
}

// Vault is an http.Handler, safe for concurrent use.
type Vault struct {
	cfg    Config
	signer jose.Signer

	mu        sync.Mutex
	keys      map[string][]*version // the newest last
	roles     map[string][]Role     // by client id
	throttled time.Time
}

// New makes an empty vault.
func New(cfg Config) (*Vault, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	signer, err := releaseSigner(cfg.Certificate)
	if err != nil {
		return nil, fmt.Errorf("making the vault: %w", err)
	}
	return &Vault{cfg: cfg, signer: signer, keys: make(map[string][]*version), roles: make(map[string][]Role)}, nil
}

// ThrottleUntil makes releases fail with status 429 until then.
func (v *Vault) ThrottleUntil(t time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.throttled = t
}

// Grant gives the identity a role, at once; in the cloud it takes up to a day.
func (v *Vault) Grant(clientID string, role Role) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.roles[clientID] = append(v.roles[clientID], role)
}

// Resource is for what a token must have been issued to be taken here.
func (v *Vault) Resource() string {
	for _, cloud := range []string{"vault.azure.net", "managedhsm.azure.net"} {
		if strings.HasSuffix(v.cfg.Host, "."+cloud) {
			return "https://" + cloud
		}
	}
	_, parent, _ := strings.Cut(v.cfg.Host, ".")
	return "https://" + parent
}

// ServeHTTP answers requests for keys.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body, refusal := v.answer(w, r)
	if refusal != nil {
		v.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request refused",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", refusal.Status), slog.String("code", refusal.Code))
		if refusal.Status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		refusal.Fail(w)
		return
	}
	rest.Write(w, status, body)
}

// answer finds the operation. Clients write empty parts in paths, such as
// /keys/NAME/ and /keys/NAME//release, which mean the newest version.
func (v *Vault) answer(w http.ResponseWriter, r *http.Request) (int, any, *rest.Error) {
	path := slices.DeleteFunc(strings.Split(r.URL.Path, "/"), func(part string) bool { return part == "" })
	if len(path) == 0 || path[0] != "keys" {
		return 0, nil, rest.Refuse(http.StatusNotFound, "NotFound", "Only keys are emulated here.")
	}
	caller, refusal := v.caller(w, r)
	if refusal != nil {
		return 0, nil, refusal
	}
	api := r.URL.Query().Get("api-version")
	if !slices.Contains([]string{"7.3", "7.4", "7.5", "7.6", "2025-07-01"}, api) {
		return 0, nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "The api-version is missing or not supported: use 7.4.")
	}
	at := target{}
	verb := ""
	if len(path) > 1 {
		at.name, path = path[1], path[2:]
		if !isName(at.name) {
			return 0, nil, rest.Refuse(http.StatusBadRequest, "BadParameter", "A key's name has 1 to 127 letters, digits and hyphens.")
		}
		if n := len(path); n > 0 && slices.Contains([]string{"create", "versions", "release"}, path[n-1]) {
			verb, path = path[n-1], path[:n-1]
		}
		if len(path) > 0 {
			at.version, path = path[0], path[1:]
		}
	} else {
		verb, path = "list", nil
	}
	operation := r.Method + " " + verb
	if len(path) > 0 || at.version != "" && verb != "" && verb != "release" {
		operation = ""
	}
	var do func() (any, *rest.Error)
	var needs action
	switch operation {
	case "POST create":
		do, needs = func() (any, *rest.Error) { return v.create(w, r, at.name) }, actionCreate
	case "GET list":
		do, needs = func() (any, *rest.Error) { return v.list() }, actionRead
	case "GET versions":
		do, needs = func() (any, *rest.Error) { return v.versions(at.name) }, actionRead
	case "GET ":
		do, needs = func() (any, *rest.Error) { return v.get(at) }, actionRead
	case "DELETE ":
		do, needs = func() (any, *rest.Error) { return v.delete(at) }, actionDelete
	case "POST release":
		do, needs = func() (any, *rest.Error) { return v.release(w, r, at, api) }, actionRelease
	case "":
		return 0, nil, rest.Refuse(http.StatusNotFound, "NotFound", "There is nothing at this path.")
	default:
		return 0, nil, rest.Refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method %.10s is not emulated here.", r.Method)
	}
	if refusal := v.allow(caller, needs); refusal != nil {
		return 0, nil, refusal
	}
	body, refusal := do()
	return http.StatusOK, body, refusal
}
