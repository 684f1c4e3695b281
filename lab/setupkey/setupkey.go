// Package setupkey makes a key with a release policy in a vault that speaks the
// API of Azure Key Vault, the real one or the emulated one.
package setupkey

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"

	"kafka-e2ee/lab/policy"
)

// Bits is the size of the keys: the document's.
const Bits = 3072

// Vault is where keys are made, and as whom.
type Vault struct {
	Host   string // without scheme
	Token  string // bearer token of an identity that may create keys
	Client *http.Client
}

// Key is the public half of what was made.
type Key struct {
	ID      string // https://VAULT/keys/NAME/VERSION
	Version string
	Public  *rsa.PublicKey
	Policy  []byte // as the vault has it
}

// PEM is the file for the producer.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ErrNotFound says that the vault has no key of that name.
var ErrNotFound = errors.New("the vault has no such key")

// bundle is a key as the vault writes it.
type bundle struct {
	Key struct {
		ID string `json:"kid"`
		N  string `json:"n"`
		E  string `json:"e"`
	} `json:"key"`
	Policy struct {
		Data string `json:"data"`
	} `json:"release_policy"`
}

// Create makes a key, or a new version where the name is taken.
func (v Vault) Create(ctx context.Context, name string, p policy.Policy) (Key, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return Key{}, fmt.Errorf("creating key %q: %w", name, err)
	}
	return v.ask(ctx, http.MethodPost, name, "/create", map[string]any{
		"kty": "RSA-HSM", "key_size": Bits,
		"key_ops":    []string{"wrapKey", "unwrapKey", "encrypt", "decrypt"},
		"attributes": map[string]any{"exportable": true},
		"release_policy": map[string]any{
			"contentType": "application/json; charset=utf-8",
			"data":        base64.RawURLEncoding.EncodeToString(text),
		},
	})
}

// Get returns the newest version, or [ErrNotFound].
func (v Vault) Get(ctx context.Context, name string) (Key, error) {
	return v.ask(ctx, http.MethodGet, name, "", nil)
}

func (v Vault) ask(ctx context.Context, method, name, operation string, body any) (Key, error) {
	key, err := v.try(ctx, method, name, operation, body)
	if err != nil {
		return Key{}, fmt.Errorf("asking the vault for key %q: %w", name, err)
	}
	return key, nil
}

func (v Vault) try(ctx context.Context, method, name, operation string, body any) (Key, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Key{}, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+v.Host+"/keys/"+name+operation+"?api-version=7.4", content)
	if err != nil {
		return Key{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+v.Token)
	response, err := v.Client.Do(request)
	if err != nil {
		return Key{}, fmt.Errorf("%w (hint: check -vault, its host name; for the emulated vault also that lab -cloud-only runs, that -addr is where it listens, and that -ca is its lab-ca.pem)", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return Key{}, err
	}
	if response.StatusCode == http.StatusNotFound {
		return Key{}, ErrNotFound
	}
	if response.StatusCode != http.StatusOK {
		return Key{}, refusal(response.StatusCode, answer)
	}
	return parse(answer)
}

// refusal keeps the vault's own words: it was asked by a person who may know
// them, and the answer to these requests holds no secret.
func refusal(status int, answer []byte) error {
	var body struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(answer, &body) //nolint:errcheck // without words the status alone is told
	hint := ""
	switch status {
	case http.StatusUnauthorized:
		hint = " (hint: get a new access token for this vault)"
	case http.StatusForbidden:
		hint = " (hint: the identity needs the role Key Vault Crypto Officer; a new role can take minutes to work)"
	}
	return fmt.Errorf("status %d %s: %s%s", status, body.Error.Code, strings.ReplaceAll(body.Error.Message, "\r\n", " "), hint)
}

func parse(answer []byte) (Key, error) {
	var got bundle
	if json.Unmarshal(answer, &got) != nil {
		return Key{}, errors.New("reading the vault's key: not JSON")
	}
	n, err := base64.RawURLEncoding.DecodeString(got.Key.N)
	if err != nil {
		return Key{}, errors.New("reading the vault's key: n is not base64url")
	}
	e, err := base64.RawURLEncoding.DecodeString(got.Key.E)
	if err != nil || len(e) > 4 {
		return Key{}, errors.New("reading the vault's key: e is not a small number")
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(got.Policy.Data, "="))
	if err != nil {
		return Key{}, errors.New("reading the vault's key: the policy is not base64url")
	}
	return Key{
		ID: got.Key.ID, Version: got.Key.ID[strings.LastIndex(got.Key.ID, "/")+1:], Policy: data,
		Public: &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())},
	}, nil
}
