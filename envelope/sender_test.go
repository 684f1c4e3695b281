package envelope_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, the id in a record would differ from the id in other tools. The key and
// its thumbprint come from RFC 8037, appendix A.3.
func TestSigningKeyIDOfTheRFC(t *testing.T) {
	seed := []byte("\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60")
	if got := envelope.SigningKeyID(public(ed25519.NewKeyFromSeed(seed))); got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("got %s", got)
	}
}

// Without this, a broken signing key would show only at the readers.
func TestParseSigningKey(t *testing.T) {
	good := pkcs8(t, signingKey(1))
	for _, c := range []struct{ name, text, says string }{
		{"PKCS#8", good, ""},
		{"empty", "", "empty"},
		{"text", "hunter2", "not PEM"},
		{"damaged", good[:len(good)-20], "damaged"},
		{"two", good + good, "2 PEM blocks"},
		{"RSA", pkcs8(t, key2048()), "not an Ed25519 key"},
		{"elliptic curve", pkcs8(t, newCurveKey(t)), "not an Ed25519 key"},
		{"public", pkix(t, public(signingKey(1))), "this is a public key"},
		{"encrypted", pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "encrypted with a passphrase"},
		{"garbage", pemOf("PRIVATE KEY", []byte("hunter2")), "no readable key"},
	} {
		key, err := envelope.ParseSigningKey([]byte(c.text))
		if (err == nil) != (c.says == "") || err == nil && !key.Equal(signingKey(1)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (key != nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v, want it to say %q", c.name, err, c.says)
		}
	}
}

// Without this, a record would carry the wrong name, or one that breaks a line in a log.
func TestParseTrustedSenders(t *testing.T) {
	a, b := pkix(t, public(signingKey(1))), pkix(t, public(signingKey(2)))
	for _, c := range []struct {
		name, text string
		names      string
		says       string
	}{
		{"one", "# alice\n" + a, "alice", ""},
		{"bare", "alice\n" + a, "alice", ""},
		{"two", "# alice\n" + a + "\n# bob, of billing\n\n" + b, "alice|bob, of billing", ""},
		{"several lines", "#\n# alice,\n#   Zurich\n#\n" + a, "alice, Zurich", ""},
		{"Windows line ends", strings.ReplaceAll("# alice\n"+a, "\n", "\r\n"), "alice", ""},
		{"one name, two keys", "# alice\n" + a + "# alice\n" + b, "alice|alice", ""},
		{"text at the end", "# alice\n" + a + "that is all\n", "alice", ""},
		{"other letters", "# Zoë 山田\n" + a, "Zoë 山田", ""},
		{"no name", a, "", "no name"},
		{"second without name", "# alice\n" + a + b, "", "sender 2 of 2: it has no name"},
		{"key twice", "# alice\n" + a + "# bob\n" + a, "", "duplicate key"},
		{"long name", "# " + strings.Repeat("x", 101) + "\n" + a, "", "at most 100"},
		{"longest name", "# " + strings.Repeat("é", 100) + "\n" + a, strings.Repeat("é", 100), ""},
		{"escape", "# a\x1b[31m\n" + a, "", "printable"},
		{"right to left", "# a\u202eb\n" + a, "", "printable"},
		{"not UTF-8", "# \xff\n" + a, "", "printable"},
		{"empty", "", "", "empty"},
		{"text", "# alice\n", "", "not PEM"},
		{"damaged", "# alice\n" + a[:len(a)-20], "", "damaged"},
		{"RSA", "# alice\n" + pkix(t, &key2048().PublicKey), "", "not an Ed25519 key"},
		{"private", "# alice\n" + pkcs8(t, signingKey(1)), "", "this is a private key"},
		{"garbage", "# alice\n" + pemOf("PUBLIC KEY", []byte("x")), "", "no readable key"},
	} {
		senders, err := envelope.ParseTrustedSenders([]byte(c.text))
		var names []string
		for _, sender := range senders {
			names = append(names, sender.Name)
		}
		if got := strings.Join(names, "|"); got != c.names || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %q, %v, want %q, %q", c.name, got, err, c.names, c.says)
		}
	}
	senders, err := envelope.ParseTrustedSenders([]byte("# alice\n" + a + "# bob\n" + b))
	if err != nil || !senders[0].Key.Equal(public(signingKey(1))) || !senders[1].Key.Equal(public(signingKey(2))) {
		t.Errorf("the names and keys do not match: %v", err)
	}
}

func FuzzParseTrustedSenders(f *testing.F) {
	f.Add([]byte("# alice\n" + pkix(f, public(signingKey(1)))))
	f.Add([]byte(pkix(f, public(signingKey(1)))))
	f.Add([]byte("-----BEGIN PUBLIC KEY----------BEGIN "))
	f.Fuzz(func(t *testing.T, text []byte) {
		senders, err := envelope.ParseTrustedSenders(text)
		if (err == nil) != (len(senders) > 0) {
			t.Error("got senders and an error, or neither")
		}
		for _, sender := range senders {
			der, err := x509.MarshalPKIXPublicKey(sender.Key)
			if err != nil {
				t.Fatal(err)
			}
			again, err := envelope.ParseTrustedSenders([]byte("# " + sender.Name + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))))
			if err != nil || again[0].Name != sender.Name || !again[0].Key.Equal(sender.Key) {
				t.Errorf("a parsed sender does not parse again: %v", err)
			}
		}
	})
}
