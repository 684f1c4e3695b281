package containers_test

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

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this the demo could work only with the embedded broker, and with the project's code on both ends.
func TestStoryOnKafka(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.OpenSSL)
	c, key := realkafka.Start(t, 2), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	confidential, _ := harness.StartConsumer(t, c, url, "CONSUMERGROUP=confidential")
	ordinary, _ := harness.StartConsumer(t, c, harness.NoSidecar, "CONSUMERGROUP=ordinary")

	const messages = 20
	harness.Start(t, "produce", nil, "BROKERS="+c.Addr, "TOPIC="+harness.Topic, "PUBKEY="+harness.PublicPEM(t, &key.PublicKey), "METRICS_ADDR=",
		"MSG=hello", fmt.Sprintf("COUNT=%d", messages), "SENDDURATION=0", "SENDDURATIONDEVIATION=0", "RESTDURATION=0", "RESTDURATIONDEVIATION=0").WaitExit()
	opened := confidential.WaitStates(map[string]int{"decrypted": messages})
	closed := ordinary.WaitStates(map[string]int{"no_key": messages})

	text := map[string]string{} // by position
	for _, r := range opened {
		text[place(r)] = r.Value
	}
	for i := range messages {
		if want := fmt.Sprintf("Msg %d: hello", i+1); !hasValue(opened, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	values := harness.Stored(t, c)
	for i, r := range closed {
		if r.Encoding != "utf-8" || r.Value != string(values[r.Partition][r.Offset]) {
			t.Errorf("%s: the ordinary pod does not show what is in the topic", place(r))
		}
		if i < 3 { // each call starts a process
			if got := opensslOpen(t, key, r.Value); got != text[place(r)] {
				t.Errorf("%s: openssl reads %q, the page shows %q", place(r), got, text[place(r)])
			}
		}
	}
}

// Without this no other program could replace the producer.
func TestOpenSSLRecordIsOpened(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.OpenSSL)
	c, key := realkafka.Start(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p, _ := harness.StartConsumer(t, c, url)
	harness.Write(t, c, 0, []byte(opensslSeal(t, key, "sealed by openssl")))
	if got := p.WaitStates(map[string]int{"decrypted": 1}); got[0].Value != "sealed by openssl" {
		t.Errorf("shown: %q", got[0].Value)
	}
}

func place(r harness.Record) string { return fmt.Sprint(r.Partition, "/", r.Offset) }

func hasValue(records []harness.Record, value string) bool {
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
	if err := os.WriteFile(file, []byte(harness.PublicPEM(t, &key.PublicKey)), 0o600); err != nil {
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
