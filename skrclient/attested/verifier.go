package attested

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/policy"
)

const (
	// Timeout limits a verification, from connecting to the last check.
	Timeout = 30 * time.Second
	// Skew is the tolerated difference between the clocks of the client, the server and the attestation service.
	Skew = 5 * time.Minute
)

// ErrWeakPolicy is the error of [CheckPolicy].
var ErrWeakPolicy = errors.New("the policy is too weak")

// Config configures a [Verifier].
type Config struct {
	// Policy says which container is expected and which attestation services are trusted: the release policy of its key,
	// from whoever created the key, never from the server. It must satisfy CheckPolicy.
	Policy policy.Policy
	// CAFile holds PEM roots for the attestation services' TLS; empty means the system's.
	CAFile string
	// KeyIDs are keys of which the container must hold all. If empty, it must hold any key, and it is not shown which
	// deployment it is: the same container has the same measurement elsewhere.
	KeyIDs []string
	// MaxAge limits the age of a token, and for how long a verified key is trusted; 0 means that its own expiry does.
	MaxAge time.Duration
	// AcceptOlderToken does not ask for a token that was made for this connection. The key is compared as always.
	AcceptOlderToken bool
	// Now replaces time.Now. For tests.
	Now func() time.Time
}

// Verifier verifies attested endpoints. It is safe for concurrent use.
type Verifier struct {
	cfg         Config
	authorities map[string]*skrclient.Authority // by URL

	mu     sync.Mutex
	pinned pin
}

// pin is the key that was verified last. Until its token expires, further connections to it need no token of their own.
type pin struct {
	key   [sha256.Size]byte
	until time.Time
}

// CheckPolicy accepts a policy only if each way to satisfy it fixes the host data, the type and the compliance status.
// Without these any confidential container, or none, would pass.
func CheckPolicy(p policy.Policy) error {
	for _, claim := range []string{policy.ClaimHostData, policy.ClaimType, policy.ClaimCompliance} {
		if !p.Requires(claim) {
			return fmt.Errorf("checking policy: %w: it can be satisfied without %s", ErrWeakPolicy, claim)
		}
	}
	return nil
}

// New checks the configuration and reads the roots. It does not connect.
func New(cfg Config) (*Verifier, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := CheckPolicy(cfg.Policy); err != nil {
		return nil, err
	}
	if err := checkHashes("KeyIDs", cfg.KeyIDs); err != nil {
		return nil, fmt.Errorf("checking key ids: %w", err)
	}
	v := &Verifier{cfg: cfg, authorities: make(map[string]*skrclient.Authority)}
	for _, authority := range cfg.Policy.Authorities {
		service, err := skrclient.NewAuthority(strings.TrimPrefix(authority.URL, "https://"), cfg.CAFile)
		if err != nil {
			return nil, err
		}
		v.authorities[authority.URL] = service
	}
	return v, nil
}
