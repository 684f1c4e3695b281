package e2e_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nowhere is an address at which no sidecar listens.
const nowhere = "http://127.0.0.1:9"

// Without it the demo could work with the embedded broker and the code of the
// project on both ends, and with nothing else.
func TestStoryOnKafka(t *testing.T) {
	t.Parallel()
	need(t, openssl)
	c, key := startKafka(t, 2), newKey(t)
	_, url := sidecar(t, key)
	confidential, _ := startConsumer(t, c, url, "CONSUMERGROUP=confidential")
	ordinary, _ := startConsumer(t, c, nowhere, "CONSUMERGROUP=ordinary")

	const messages = 20
	start(t, "produce", nil, "BROKERS="+c.addr, "TOPIC="+topic, "PUBKEY="+publicPEM(t, &key.PublicKey), "METRICS_ADDR=",
		"MSG=hello", fmt.Sprintf("COUNT=%d", messages), "SENDDURATION=0", "SENDDURATIONDEVIATION=0", "RESTDURATION=0", "RESTDURATIONDEVIATION=0").ended()
	opened := confidential.waitStates(map[string]int{"decrypted": messages})
	closed := ordinary.waitStates(map[string]int{"no_key": messages})

	text := map[string]string{} // by position
	for _, r := range opened {
		text[place(r)] = r.Value
	}
	for i := range messages {
		if want := fmt.Sprintf("Msg %d: hello", i+1); !hasValue(opened, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	values := stored(t, c)
	for i, r := range closed {
		if r.Encoding != "utf-8" || r.Value != string(values[r.Partition][r.Offset]) {
			t.Errorf("%s: the ordinary pod does not show what is in the topic", place(r))
		}
		if i < 3 { // openssl is a process each time
			if got := opensslOpen(t, key, r.Value); got != text[place(r)] {
				t.Errorf("%s: openssl reads %q, the page shows %q", place(r), got, text[place(r)])
			}
		}
	}
}

// Without it no other program could take the producer's place.
func TestOpenSSLRecordIsOpened(t *testing.T) {
	t.Parallel()
	need(t, openssl)
	c, key := startKafka(t, 1), newKey(t)
	_, url := sidecar(t, key)
	p, _ := startConsumer(t, c, url)
	write(t, c, 0, []byte(opensslSeal(t, key, "sealed by openssl")))
	if got := p.waitStates(map[string]int{"decrypted": 1}); got[0].Value != "sealed by openssl" {
		t.Errorf("shown: %q", got[0].Value)
	}
}

func place(r record) string { return fmt.Sprint(r.Partition, "/", r.Offset) }

func hasValue(records []record, value string) bool {
	for _, r := range records {
		if r.Value == value {
			return true
		}
	}
	return false
}

var oaep = []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"}

func opensslSeal(t testing.TB, key *rsa.PrivateKey, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "public.pem")
	if err := os.WriteFile(file, []byte(publicPEM(t, &key.PublicKey)), 0o600); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(runOpenSSL(t, []byte(text), append([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", file}, oaep...)))
}

func opensslOpen(t testing.TB, key *rsa.PrivateKey, value string) string {
	t.Helper()
	block, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "private.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return string(runOpenSSL(t, block, append([]string{"pkeyutl", "-decrypt", "-inkey", file}, oaep...)))
}

func runOpenSSL(t testing.TB, in []byte, args []string) []byte {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	var problem strings.Builder
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, problem.String())
	}
	return out
}
