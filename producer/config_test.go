package producer

import (
	"crypto/ecdsa"
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
)

func pemOf(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func rsaPEM(t *testing.T, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(t, &key.PublicKey)
}

func from(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// Without it a person mends one setting per restart of a pod, or finds a pasted secret in the log.
func TestLoadReportsAllProblemsWithoutValues(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0") // a key that is too small has to be made first
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
		"many":        {map[string]string{"RATE": "hunter2", "COUNT": "-1", "BROKERS": "", "TOPIC": ""}, []string{"RATE: ", "COUNT: ", "BROKERS: ", "TOPIC: ", "PUBKEY: "}},
		"negative":    {map[string]string{"PUBKEY": good, "RATE": "-1", "RESTDURATION": "NaN"}, []string{"RATE: ", "RESTDURATION: "}},
		"bad brokers": {map[string]string{"PUBKEY": good, "BROKERS": "hunter2"}, []string{"BROKERS: "}},
	} {
		_, err := Load(from(test.env))
		if !errors.Is(err, ErrSettings) {
			t.Errorf("%s: want ErrSettings, got %v", name, err)
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

// Without it a message that just fits is refused, or one that does not is accepted and fails later.
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
