package interop_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// library is another JOSE library.
type library struct {
	seal func(t *testing.T, key *rsa.PublicKey, kid string, members map[string]any, message string) string
	open func(text []byte, key *rsa.PrivateKey) ([]byte, error)
}

func libraries() map[string]library {
	return map[string]library{
		"go-jose": {sealGoJose, openGoJose},
		"jwx":     {sealJWX, openJWX},
	}
}

func sealGoJose(t *testing.T, key *rsa.PublicKey, kid string, members map[string]any, message string) string {
	t.Helper()
	options := new(jose.EncrypterOptions)
	for name, value := range members {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: key, KeyID: kid}, options)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypter.Encrypt([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	text, err := sealed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func openGoJose(text []byte, key *rsa.PrivateKey) ([]byte, error) {
	algorithms, ciphers := []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM}
	if text[0] == '{' {
		sealed, err := jose.ParseEncryptedJSON(string(text), algorithms, ciphers)
		if err != nil {
			return nil, err
		}
		_, _, message, err := sealed.DecryptMulti(key)
		return message, err
	}
	sealed, err := jose.ParseEncryptedCompact(string(text), algorithms, ciphers)
	if err != nil {
		return nil, err
	}
	return sealed.Decrypt(key)
}

func sealJWX(t *testing.T, key *rsa.PublicKey, kid string, members map[string]any, message string) string {
	t.Helper()
	header := jwe.NewHeaders()
	if kid != "" {
		members["kid"] = kid
	}
	for name, value := range members {
		if err := header.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	text, err := jwe.Encrypt([]byte(message), jwe.WithKey(jwa.RSA_OAEP_256(), key), jwe.WithContentEncryption(jwa.A256GCM()), jwe.WithProtectedHeaders(header))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func openJWX(text []byte, key *rsa.PrivateKey) ([]byte, error) {
	return jwe.Decrypt(text, jwe.WithKey(jwa.RSA_OAEP_256(), key))
}

func openerWith(t *testing.T, keys ...*rsa.PrivateKey) *envelope.Opener {
	t.Helper()
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(keys...); err != nil {
		t.Fatal(err)
	}
	return opener
}

// Without this a program with a JOSE library and none of our code could not write to our readers.
func TestJOSELibrariesSeal(t *testing.T) {
	key := harness.NewKey(t)
	id := envelope.KeyID(&key.PublicKey)
	opener := openerWith(t, harness.NewKey(t), key)
	for name, lib := range libraries() {
		for _, c := range []struct {
			kid   string
			topic string
			bound bool
			want  error
		}{{"", "", false, nil}, {id, "", false, nil}, {"prod", "t", true, nil}, {id, "t", true, nil}, {id, "u", true, envelope.ErrUndecryptable}} {
			for _, message := range []string{"", "hello", strings.Repeat("é", 100_000)} {
				members := map[string]any{"cty": "text/plain"}
				if c.topic != "" {
					members["topic"] = c.topic
				}
				msg, err := opener.Open(nil, "t", []byte(lib.seal(t, &key.PublicKey, c.kid, members, message)))
				if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("%s, kid %q, topic %q: %v, want %v", name, c.kid, c.topic, err, c.want)
				}
				if err == nil && (string(msg.Plaintext) != message || msg.Bound != c.bound || msg.Counted || msg.KeyID != id || msg.Sender.Reason != envelope.ReasonUnsigned) {
					t.Errorf("%s, kid %q, topic %q: opened as %.200v", name, c.kid, c.topic, msg)
				}
			}
		}
	}
}

// Without this a program with a JOSE library and none of our code could not read our records.
func TestJOSELibrariesOpen(t *testing.T) {
	first, second := harness.NewKey(t), harness.NewKey(t)
	signing := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for _, c := range []struct {
		format  envelope.Format
		readers []*rsa.PublicKey
	}{
		{envelope.FormatJWE, []*rsa.PublicKey{&first.PublicKey}},
		{envelope.FormatEnvelope, []*rsa.PublicKey{&first.PublicKey}},
		{envelope.FormatEnvelope, []*rsa.PublicKey{&second.PublicKey, &first.PublicKey}},
	} {
		sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: c.format, Topic: "t", Readers: c.readers, SigningKey: signing})
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range []string{"", "hello", strings.Repeat("é", 100_000)} {
			text, err := sealer.Seal(nil, []byte(message), 3)
			if err != nil {
				t.Fatal(err)
			}
			if c.format == envelope.FormatEnvelope {
				if text, err = envelope.Convert(text); err != nil {
					t.Fatal(err)
				}
			}
			for name, lib := range libraries() {
				if got, err := lib.open(text, first); err != nil || string(got) != message {
					t.Errorf("%s, format %s for %d readers: %.100q, %v", name, c.format, len(c.readers), got, err)
				}
			}
		}
	}
}

// jweVectors holds the used parts of a file of Project Wycheproof.
type jweVectors struct {
	NumberOfTests int
	TestGroups    []struct {
		Private json.RawMessage
		Tests   []struct {
			TcID    int `json:"tcId"`
			Comment string
			Pt      hexBytes
			JWE     string
			Result  string
		}
	}
}

func readWycheproof(t *testing.T, name string, into any) {
	t.Helper()
	file, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, into); err != nil {
		t.Fatal(err)
	}
}

// Without this a text that is known to break readers could be accepted. A valid text with the two algorithms opens;
// nothing else does.
func TestWycheproofJWE(t *testing.T) {
	var vectors jweVectors
	readWycheproof(t, "json_web_encryption_test.json", &vectors)
	opened, checked, another := 0, 0, harness.NewKey(t)
	for _, group := range vectors.TestGroups {
		opener := openerWith(t, rsaKeyOr(group.Private, another))
		for _, v := range group.Tests {
			checked++
			msg, err := opener.Open(nil, "t", []byte(v.JWE))
			supported := false
			if parsed, err := jose.ParseEncryptedCompact(v.JWE, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM}); err == nil {
				supported = parsed.Header.Algorithm == "RSA-OAEP-256"
			}
			want := supported && v.Result == "valid"
			if (err == nil) != want || want && !bytes.Equal(msg.Plaintext, v.Pt) {
				t.Errorf("case %d (%s, %s): %q, %v", v.TcID, v.Comment, v.Result, msg.Plaintext, err)
			}
			if errors.Is(err, envelope.ErrNotEncrypted) && strings.HasPrefix(v.JWE, "eyJ") {
				t.Errorf("case %d (%s): taken for plain", v.TcID, v.Comment)
			}
			if err == nil {
				opened++
			}
		}
	}
	if checked != vectors.NumberOfTests || opened == 0 {
		t.Errorf("checked %d of %d cases, %d opened", checked, vectors.NumberOfTests, opened)
	}
}

// rsaKeyOr reads a group's key if it is an RSA key. For other groups any key will do: none of their texts may open.
func rsaKeyOr(private json.RawMessage, another *rsa.PrivateKey) *rsa.PrivateKey {
	var jwk jose.JSONWebKey
	if json.Unmarshal(private, &jwk) == nil {
		if key, ok := jwk.Key.(*rsa.PrivateKey); ok {
			return key
		}
	}
	return another
}

// Without this a key could have another id than in other tools, or a key that is known to be weak could be used. A key
// with the ROCA weakness is not detected: only the form of its numbers reveals it.
func TestWycheproofJWK(t *testing.T) {
	var vectors struct {
		TestGroups []struct {
			Public struct{ Keys []json.RawMessage }
			Tests  []struct{ Comment string }
		}
	}
	readWycheproof(t, "json_web_key_test.json", &vectors)
	taken, refused := 0, 0
	for _, group := range vectors.TestGroups {
		for _, raw := range group.Public.Keys {
			var jwk jose.JSONWebKey
			if json.Unmarshal(raw, &jwk) != nil {
				continue
			}
			key, ok := jwk.Key.(*rsa.PublicKey)
			if !ok {
				continue
			}
			_, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{key}})
			if weak := key.N.BitLen() < 2048 || key.E < 65537; weak != (err != nil) {
				t.Errorf("%s: %d bits, exponent %d: %v", group.Tests[0].Comment, key.N.BitLen(), key.E, err)
			}
			if err != nil {
				refused++
				continue
			}
			taken++
			sum, err := jwk.Thumbprint(crypto.SHA256)
			if err != nil || base64.RawURLEncoding.EncodeToString(sum) != envelope.KeyID(key) {
				t.Errorf("%s: got %s, want %s, %v", group.Tests[0].Comment, envelope.KeyID(key), base64.RawURLEncoding.EncodeToString(sum), err)
			}
		}
	}
	if taken == 0 || refused == 0 {
		t.Errorf("%d keys taken, %d refused: the file is not what this test is for", taken, refused)
	}
}
