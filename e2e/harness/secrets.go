package harness

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// testKeys holds the private keys that this process's tests made, encoded as a program might write them.
var testKeys struct {
	sync.Mutex
	names map[string]string // what was found, by its encoding
}

func remember(name string, secret []byte) {
	testKeys.Lock()
	defer testKeys.Unlock()
	if testKeys.names == nil {
		testKeys.names = map[string]string{}
	}
	for encoding, text := range map[string]string{
		"base64":    base64.StdEncoding.EncodeToString(secret),
		"base64url": base64.RawURLEncoding.EncodeToString(secret),
		"hex":       hex.EncodeToString(secret),
		"decimal":   new(big.Int).SetBytes(secret).String(),
	} {
		testKeys.names[text[:min(len(text), 40)]] = name + " in " + encoding
	}
}

// token matches a token in JOSE's compact form (RFC 7515, section 7.1), and how one begins whose first field is alg, typ,
// kid or enc. A bare "eyJ" may be in a key's id, which has 43 random letters.
var token = regexp.MustCompile(`eyJ(hbGci|0eXAi|raWQi|lbmMi)|eyJ[\w-]{10,}\.[\w-]{10,}`)

// NoSecrets fails the test if a program's output holds one of the tests' private keys, or anything that begins like a key
// or a token.
func NoSecrets(t testing.TB, where, text string) {
	t.Helper()
	for _, begin := range append(privateKeyStarts(), "PRIVATE KEY-----", "Bearer ") {
		if strings.Contains(text, begin) {
			t.Errorf("%s holds a key or a token: %q", where, begin)
		}
	}
	if token.MatchString(text) {
		t.Errorf("%s holds a token, or the beginning of one", where)
	}
	testKeys.Lock()
	defer testKeys.Unlock()
	for secret, name := range testKeys.names {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds a private key: its %s", where, name)
		}
	}
}

// privateKeyStarts returns how the encodings of any P-256 private key begin, such as that of the page's TLS key, which only
// the program itself knows: PKCS #8 (RFC 5958) and SEC 1 (RFC 5915).
func privateKeyStarts() (starts []string) {
	for _, der := range []string{"308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420", "30770201010420"} {
		raw, err := hex.DecodeString(der)
		if err != nil {
			panic(err)
		}
		raw = raw[:len(raw)/3*3] // whole groups of base64
		starts = append(starts, der, base64.StdEncoding.EncodeToString(raw), string(raw))
	}
	return starts
}

// checkSecrets runs for every pod at the end of every test, while the pod still runs: its operator must see no key and
// no token, whatever the test was about.
func (p *Pod) checkSecrets() {
	p.T.Helper()
	for _, url := range []string{p.Metrics + "/metrics", p.Metrics + "/readyz", p.Page + "/api/key", p.Page + "/api/key/evidence"} {
		if strings.HasPrefix(url, "http") {
			NoSecrets(p.T, url, string(p.Get(url)))
		}
	}
	NoSecrets(p.T, "the log", p.Log.String())
}
