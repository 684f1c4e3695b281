package producer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

func pemOf(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func rsaPEM(t testing.TB, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(t, &key.PublicKey)
}

// signingPEM makes a signing key.
func signingPEM(t *testing.T) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func from(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// Without it a person would fix one setting per restart of the pod, or find a pasted secret in the log.
func TestLoadReportsAllProblemsWithoutValues(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0") // to make a key that is too small
	good := rsaPEM(t, 2048)
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"nothing":     {nil, []string{"PUBKEY: is not set"}},
		"not PEM":     {map[string]string{"PUBKEY": "hunter2"}, []string{"PUBKEY: "}},
		"not RSA":     {map[string]string{"PUBKEY": pemOf(t, &elliptic.PublicKey)}, []string{"PUBKEY: "}},
		"too small":   {map[string]string{"PUBKEY": rsaPEM(t, 1024)}, []string{"PUBKEY: ", "2048"}},
		"both":        {map[string]string{"PUBKEY": good, "PUBKEY_FILE": "hunter2"}, []string{"PUBKEY and PUBKEY_FILE: both"}},
		"no file":     {map[string]string{"PUBKEY_FILE": "/hunter2"}, []string{"PUBKEY_FILE: reading the file: no such file"}},
		"too long":    {map[string]string{"PUBKEY": good, "MSG": strings.Repeat("hunter2", 30)}, []string{"MSG: 210 bytes", "at most 174", "hint: "}},
		"many":        {map[string]string{"RATE": "hunter2", "COUNT": "-1", "BROKERS": ":", "TOPIC": "a b"}, []string{"RATE: ", "COUNT: ", "BROKERS: ", "TOPIC: ", "PUBKEY: "}},
		"format":      {map[string]string{"PUBKEY": good, "FORMAT": "hunter2"}, []string{"FORMAT: want rsa, envelope or jwe"}},
		"metrics":     {map[string]string{"PUBKEY": good, "METRICS_ADDR": "hunter2"}, []string{"METRICS_ADDR: want HOST:PORT"}},
		"two for rsa": {map[string]string{"PUBKEY": good + rsaPEM(t, 2048)}, []string{"PUBKEY: got 2 public keys, FORMAT=rsa takes exactly one"}},
		"two for jwe": {map[string]string{"PUBKEY": good + rsaPEM(t, 2048), "FORMAT": "jwe"}, []string{"PUBKEY: got 2 public keys, FORMAT=jwe takes exactly one"}},
		"same twice":  {map[string]string{"PUBKEY": good + good, "FORMAT": "envelope"}, []string{"PUBKEY: ", "duplicate"}},
		"rsa, signed": {map[string]string{"PUBKEY": good, "SIGNING_KEY_FILE": "/hunter2"}, []string{"SIGNING_KEY_FILE: records of FORMAT=rsa cannot be signed"}},
		"no sign key": {map[string]string{"PUBKEY": good, "FORMAT": "jwe", "SIGNING_KEY_FILE": "/hunter2"}, []string{"SIGNING_KEY_FILE: reading the file: no such file"}},
		"bad topic":   {map[string]string{"PUBKEY": good, "FORMAT": "envelope", "TOPIC": "hunter2/"}, []string{"TOPIC: want at most 249"}},
		"codec":       {map[string]string{"PUBKEY": good, "KAFKA_COMPRESSION": "hunter2"}, []string{"KAFKA_COMPRESSION: want none"}},
		"negative":    {map[string]string{"PUBKEY": good, "RATE": "-1", "RESTDURATION": "NaN"}, []string{"RATE: ", "RESTDURATION: "}},
		"grace":       {map[string]string{"PUBKEY": good, "PUBKEY_GRACE": "-1s"}, []string{"PUBKEY_GRACE: want 0s to 24h"}},
		"long grace":  {map[string]string{"PUBKEY": good, "PUBKEY_GRACE": "25h"}, []string{"PUBKEY_GRACE: want 0s to 24h"}},
		"no duration": {map[string]string{"PUBKEY": good, "PUBKEY_GRACE": "hunter2"}, []string{"PUBKEY_GRACE: "}},
		"bad brokers": {map[string]string{"PUBKEY": good, "BROKERS": "hunter2"}, []string{"BROKERS: "}},
	} {
		_, err := Load(from(test.env))
		if !errors.Is(err, settings.ErrInvalid) {
			t.Errorf("%s: want settings.ErrInvalid, got %v", name, err)
			continue
		}
		for _, want := range test.want {
			if strings.Count(err.Error(), want) != 1 {
				t.Errorf("%s: want %q once in: %v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the value is in the error: %v", name, err)
		}
	}
}

// Without it a producer would start with a key that cannot sign.
func TestSigningKeyIsRead(t *testing.T) {
	t.Parallel()
	dir, readers := t.TempDir(), rsaPEM(t, 2048)+rsaPEM(t, 3072)
	for name, test := range map[string]struct{ text, want string }{
		"good":   {signingPEM(t), ""},
		"empty":  {"", "the file is empty"},
		"public": {rsaPEM(t, 2048), "hint: openssl genpkey -algorithm ed25519"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(from(map[string]string{"PUBKEY": readers, "FORMAT": "envelope", "SIGNING_KEY_FILE": file, "MSG": strings.Repeat("x", 1000)}))
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), "SIGNING_KEY_FILE: ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), file)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without it a message of the maximum length would be refused, or a longer one accepted, to fail later.
func TestLoadKnowsTheLastPrefix(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(rsaPEM(t, 2048)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		count string
		size  int
		ok    bool
	}{{"9", 183, true}, {"10", 183, false}, {"10", 182, true}, {"0", 174, true}, {"0", 175, false}} {
		_, err := Load(from(map[string]string{"PUBKEY_FILE": file, "COUNT": test.count, "MSG": strings.Repeat("x", test.size)}))
		if (err == nil) != test.ok {
			t.Errorf("COUNT=%s with %d bytes: %v", test.count, test.size, err)
		}
	}
}

// Without it a manifest of the original producer, which may have empty variables or no MSG, would not start or would send
// other messages than the original.
func TestOriginalDefaults(t *testing.T) {
	t.Parallel()
	key := rsaPEM(t, 2048)
	unset, err := Load(from(map[string]string{"PUBKEY": key}))
	if err != nil {
		t.Fatal(err)
	}
	if want := "Azure confidential computing. Increase data privacy by protecting data in use"; unset.Message != want {
		t.Errorf("MSG is %q, want %q", unset.Message, want)
	}
	empty, err := Load(from(map[string]string{
		"PUBKEY": key, "MSG": "", "TOPIC": "", "BROKERS": "", "RATE": "", "RATEDEVIATION": "", "SENDDURATION": "",
		"SENDDURATIONDEVIATION": "", "RESTDURATION": "", "RESTDURATIONDEVIATION": "",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if empty.Pace != unset.Pace || empty.Rate != 10 || empty.Topic != "my-topic" || empty.Message != unset.Message || empty.Brokers[0] != "my-cluster-kafka-bootstrap:9092" {
		t.Errorf("got %+v", empty)
	}
}
