package e2e_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// made are the private keys that the tests made so far, as somebody would find
// them in what a program writes.
var made struct {
	sync.Mutex
	needles map[string]string // what is found, by how it looks
}

func remember(key *rsa.PrivateKey) {
	made.Lock()
	defer made.Unlock()
	if made.needles == nil {
		made.needles = map[string]string{}
	}
	for name, n := range map[string]*big.Int{"d": key.D, "p": key.Primes[0], "q": key.Primes[1]} {
		made.needles[base64.StdEncoding.EncodeToString(n.Bytes())[:40]] = name + " in base64"
		made.needles[base64.RawURLEncoding.EncodeToString(n.Bytes())[:40]] = name + " in base64url"
		made.needles[hex.EncodeToString(n.Bytes())[:40]] = name + " in hex"
		made.needles[n.String()[:40]] = name + " in decimal"
	}
}

// noSecrets fails the test if one of its private keys is in what a program
// wrote, or what a key or a token of anybody begins with.
func noSecrets(t testing.TB, where, text string) {
	t.Helper()
	for _, begin := range []string{"PRIVATE KEY-----", "Bearer ", "eyJ"} {
		if strings.Contains(text, begin) {
			t.Errorf("%s has a key or a token in it: %q", where, begin)
		}
	}
	made.Lock()
	defer made.Unlock()
	for needle, what := range made.needles {
		if strings.Contains(text, needle) {
			t.Errorf("%s has a private key's %s in it", where, what)
		}
	}
}

// leakless is called for every pod of every test, while it still runs: whatever
// the test was about, what its operator sees holds no key and no token.
func (p *pod) leakless() {
	p.t.Helper()
	for _, url := range []string{p.metrics + "/metrics", p.metrics + "/readyz", p.page + "/api/key", p.page + "/api/key/evidence"} {
		if strings.HasPrefix(url, "http") {
			noSecrets(p.t, url, string(p.get(url)))
		}
	}
	noSecrets(p.t, "the log", p.log.String())
}
