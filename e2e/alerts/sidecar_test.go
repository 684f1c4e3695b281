package alerts_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"kafka-e2ee/skrclient/skrtest"
)

// attesting is a platform that releases the key, and attests with tokens that are valid for so long. The tokens are signed
// with a key that the consumer cannot look up, so it takes them as unchecked.
type attesting struct {
	key   *rsa.PrivateKey
	lasts time.Duration
}

// Release implements [skrtest.Platform].
func (a attesting) Release(context.Context, skrtest.KeyRequest) (*rsa.PrivateKey, error) {
	return a.key, nil
}

// Attest implements [skrtest.Platform].
func (a attesting) Attest(_ context.Context, maaEndpoint string, runtimeData []byte) (made skrtest.Attestation, err error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: a.key}, nil)
	if err != nil {
		return made, err
	}
	now := time.Now()
	made.Token, err = jwt.Signed(signer).Claims(map[string]any{
		"iss": "https://" + maaEndpoint, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(a.lasts).Unix(), "x-ms-runtime": json.RawMessage(runtimeData),
	}).Serialize()
	return made, err
}

// attest starts a sidecar whose tokens are valid for so long, and returns its address.
func (w *world) attest(lasts time.Duration) string {
	w.t.Helper()
	server := httptest.NewServer(skrtest.NewWithPlatform(attesting{w.keys.Private, lasts}))
	w.t.Cleanup(server.Close)
	return server.URL
}
