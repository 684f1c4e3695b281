package envelope_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"kafka-e2ee/envelope"
)

// parsers returns all functions that parse keys, each with a text that it accepts.
func parsers(t testing.TB) map[string]struct {
	good  string
	parse func(text []byte) error
} {
	t.Helper()
	return map[string]struct {
		good  string
		parse func(text []byte) error
	}{
		"public key": {pkix(t, &key2048().PublicKey) + pkix(t, &key3072().PublicKey), func(text []byte) error {
			_, err := envelope.ParsePublicKeys(text)
			return err
		}},
		"private key": {pkcs8(t, key2048()), func(text []byte) error {
			_, err := envelope.ParsePrivateKey(text)
			return err
		}},
		"signing key": {pkcs8(t, signingKey(1)), func(text []byte) error {
			_, err := envelope.ParseSigningKey(text)
			return err
		}},
		"trusted senders": {"# alice\n" + pkix(t, public(signingKey(1))) + "# bob\n" + pkix(t, public(signingKey(2))), func(text []byte) error {
			_, err := envelope.ParseTrustedSenders(text)
			return err
		}},
	}
}

// Without this, a key from Windows, or from PUBKEY="$(cat pub.pem)", would be called
// damaged.
func TestKeysWithOtherLineEnds(t *testing.T) {
	for name, p := range parsers(t) {
		for ends, text := range map[string]string{
			"LF":                    p.good,
			"no last line end":      strings.TrimRight(p.good, "\n"),
			"CR LF":                 strings.ReplaceAll(p.good, "\n", "\r\n"),
			"CR LF, as a shell has": strings.TrimSuffix(strings.ReplaceAll(p.good, "\n", "\r\n"), "\n"),
			"CR":                    strings.ReplaceAll(p.good, "\n", "\r"),
			"byte order mark":       "\ufeff" + p.good,
			"both":                  "\ufeff" + strings.ReplaceAll(p.good, "\n", "\r\n"),
			"trailing blanks":       strings.ReplaceAll(p.good, "\n", " \t\n"),
			"blank lines around":    "\n\n" + p.good + "\n \n",
		} {
			if err := p.parse([]byte(text)); err != nil {
				t.Errorf("%s, %s: %v", name, ends, err)
			}
		}
	}
}

// Without this, somebody who gave the wrong file would look for a damaged copy, or for
// another algorithm.
func TestErrorsNameTheWrongFile(t *testing.T) {
	first := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key2048()))
	curve, err := x509.MarshalECPrivateKey(newCurveKey(t))
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key2048().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wide := make([]byte, 0, 4096)
	for _, unit := range utf16.Encode([]rune(pkix(t, &key2048().PublicKey))) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	const curves, private, shared, certificate = "elliptic", "this is a private key", "this is a public key", "this is a certificate"
	every := func(says string) [4]string { return [4]string{says, says, says, says} }
	for name, c := range map[string]struct {
		text string
		says [4]string // for a public key, a private key, a signing key and trusted senders
	}{
		"certificate":            {pemOf("CERTIFICATE", []byte("x")), every(certificate)},
		"request":                {pemOf("CERTIFICATE REQUEST", []byte("x")), every("certificate request")},
		"encrypted PKCS#8":       {pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), [4]string{private, "encrypted with a passphrase (hint: openssl pkey", "encrypted with a passphrase (hint: openssl pkey", private}},
		"encrypted PKCS#1":       {strings.Replace(first, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1), [4]string{private, "encrypted with a passphrase", "encrypted with a passphrase", private}},
		"the same, CR LF":        {strings.ReplaceAll(strings.Replace(first, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1), "\n", "\r\n"), [4]string{private, "encrypted with a passphrase", "encrypted with a passphrase", private}},
		"RSA private key":        {pkcs8(t, key2048()), [4]string{private, "", "an RSA key, not an Ed25519", private}},
		"RSA private, PKCS#1":    {first, [4]string{private, "", "an RSA key, not an Ed25519", private}},
		"RSA public key":         {pkix(t, &key2048().PublicKey), [4]string{"", shared, shared, "an RSA key, not an Ed25519"}},
		"RSA public, PKCS#1":     {pkcs1(&key2048().PublicKey), [4]string{"", shared, shared, "an RSA key, not an Ed25519"}},
		"Ed25519 private key":    {pkcs8(t, signingKey(1)), [4]string{private, "an Ed25519 key, which signs, not an RSA", "", private}},
		"Ed25519 public key":     {"# x\n" + pkix(t, public(signingKey(1))), [4]string{"an Ed25519 key, which signs, not an RSA", shared, shared, ""}},
		"EC private key":         {pemOf("EC PRIVATE KEY", curve), [4]string{private, curves, curves, private}},
		"EC with its parameters": {pemOf("EC PARAMETERS", []byte("x")) + pemOf("EC PRIVATE KEY", curve), [4]string{curves, curves, curves, curves}},
		"EC private, PKCS#8":     {pkcs8(t, newCurveKey(t)), [4]string{private, curves, curves, private}},
		"EC public key":          {pkix(t, newCurveKey(t).Public()), [4]string{curves, shared, shared, curves}},
		"X25519 private key":     {pkcs8(t, x25519), [4]string{private, curves, curves, private}},
		"DSA private key":        {pemOf("DSA PRIVATE KEY", []byte("x")), [4]string{private, "DSA", "DSA", private}},
		"OpenSSH private key":    {pemOf("OPENSSH PRIVATE KEY", []byte("x")), [4]string{private, "format of OpenSSH (hint: ssh-keygen", "format of OpenSSH", private}},
		"key and certificate":    {pkcs8(t, key2048()) + pemOf("CERTIFICATE", []byte("x")), [4]string{private, certificate, certificate, private}},
		"SSH public key":         {"ssh-rsa AAAAB3NzaC1yc2E secret@host\n", every("for SSH (hint: ssh-keygen -e")},
		"SSH key, another form":  {"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n", every("for SSH in another format")},
		"JWK":                    {` {"kty":"RSA","n":"secret"}`, every("perhaps a JWK")},
		"DER":                    {string(der), every("perhaps DER (hint: openssl")},
		"base64 alone":           {base64.StdEncoding.EncodeToString(der), every("-----BEGIN … and -----END")},
		"UTF-16":                 {string(wide), every("UTF-16")},
		"UTF-16, marked":         {"\xff\xfe" + string(wide), every("UTF-16")},
		"a file's name":          {"/etc/keys/secret.pem\n", every("a file name")},
		"line breaks as \\n":     {strings.ReplaceAll(pkix(t, &key2048().PublicKey), "\n", `\n`), every("written as")},
		"blanks":                 {"\ufeff \r\n", every("empty")},
	} {
		for i, parser := range []string{"public key", "private key", "signing key", "trusted senders"} {
			err := parsers(t)[parser].parse([]byte(c.text))
			if (err == nil) != (c.says[i] == "") || err != nil && !strings.Contains(err.Error(), c.says[i]) {
				t.Errorf("%s as a %s: %v, want it to say %q", name, parser, err, c.says[i])
			}
			if err != nil && (strings.Contains(err.Error(), "MII") || strings.Contains(err.Error(), "secret@") || strings.Contains(err.Error(), "/etc")) {
				t.Errorf("%s as a %s: the error repeats the input: %v", name, parser, err)
			}
		}
	}
}

// FuzzLineEnds checks that line ends do not change how a text is parsed.
func FuzzLineEnds(f *testing.F) {
	f.Add([]byte(pkix(f, &key2048().PublicKey)))
	f.Add([]byte("# alice\n" + pkix(f, public(signingKey(1))) + "# bob\n" + pkix(f, public(signingKey(2)))))
	f.Fuzz(func(t *testing.T, text []byte) {
		if slices.Contains(text, '\r') {
			return
		}
		windows := []byte("\ufeff" + strings.ReplaceAll(string(text), "\n", "\r\n"))
		keys, err := envelope.ParsePublicKeys(text)
		again, other := envelope.ParsePublicKeys(windows)
		if (err == nil) != (other == nil) || !slices.EqualFunc(keys, again, func(a, b *rsa.PublicKey) bool { return a.Equal(b) }) {
			t.Errorf("%v, and with other line ends %v", err, other)
		}
		_, err = envelope.ParseTrustedSenders(text)
		if _, other := envelope.ParseTrustedSenders(windows); (err == nil) != (other == nil) {
			t.Errorf("%v, and with other line ends %v", err, other)
		}
		if block, _ := pem.Decode(text); block == nil && len(keys) > 0 {
			t.Error("parsed a key from a text without a block")
		}
	})
}
