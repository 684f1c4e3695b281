package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// shell runs commands in a folder of its own, where files have short names.
type shell struct {
	t   *testing.T
	dir string
}

// do runs one command line and gives what it wrote, what it said, and its error.
func (s shell) do(in string, line ...string) (out, diag string, err error) {
	s.t.Helper()
	for i, word := range line {
		if !strings.Contains(word, "/") && (strings.HasSuffix(word, ".pem") || strings.HasSuffix(word, ".rec")) {
			line[i] = filepath.Join(s.dir, word)
		}
	}
	var output, said bytes.Buffer
	err = (&tool{in: strings.NewReader(in), out: &output, diag: &said}).run(line)
	return output.String(), said.String(), err
}

func (s shell) must(in string, line ...string) string {
	s.t.Helper()
	out, _, err := s.do(in, line...)
	if err != nil {
		s.t.Fatalf("%v: %v", line, err)
	}
	return out
}

func newShell(t *testing.T) shell {
	t.Helper()
	s := shell{t, t.TempDir()}
	s.must("", "keygen", "-bits", "2048", "-key", "k.pem", "-pubkey", "p.pem")
	s.must("", "keygen", "-bits", "2048", "-key", "k2.pem", "-pubkey", "p2.pem")
	s.must("", "keygen", "-signing", "alice, billing", "-key", "s.pem", "-pubkey", "trust.pem")
	return s
}

// Without this a message would not come through a pipe as it went in.
func TestSealAndOpen(t *testing.T) {
	s := newShell(t)
	for _, message := range []string{"", "hello", "two\nlines\n", "\x00\xff\n"} {
		for _, format := range []string{"envelope", "jwe", "rsa"} {
			record := s.must(message, "seal", "-pubkey", "p.pem", "-topic", "t", "-partition", "3", "-format", format)
			for _, end := range []string{"", "\n"} { // kcat ends a message with a line break
				out, _, err := s.do(record+end, "open", "-key", "k2.pem", "-key", "k.pem", "-topic", "t")
				if err != nil || out != message {
					t.Errorf("%s, ending with %q: %q became %q, %v", format, end, message, out, err)
				}
			}
		}
	}
}

// Without this a user would not learn what is proven of a message, or would be
// told more than is.
func TestOpenSaysWhatIsProven(t *testing.T) {
	s := newShell(t)
	signed := s.must("hello", "seal", "-pubkey", "p.pem", "-pubkey", "p2.pem", "-topic", "t", "-signing-key", "s.pem")
	unsigned := s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t")
	for _, c := range []struct{ record, key, more, says string }{
		{signed, "k.pem", "-trusted=" + filepath.Join(s.dir, "trust.pem"), "sender verified: alice, billing"},
		{signed, "k2.pem", "-trusted=" + filepath.Join(s.dir, "trust.pem"), "sender verified: alice, billing"},
		{signed, "k.pem", "-topic=t", "sender unverified: nobody trusted"},
		{unsigned, "k.pem", "-trusted=" + filepath.Join(s.dir, "trust.pem"), "sender unverified: unsigned"},
		{unsigned, "k.pem", "-topic=t", "partition 0, counter 0"},
		{s.must("hello", "seal", "-format", "rsa", "-pubkey", "p.pem", "-topic", "t"), "k.pem", "-topic=t", "not bound to a topic"},
	} {
		if out, diag, err := s.do(c.record, "open", "-key", c.key, c.more); err != nil || out != "hello" || !strings.Contains(diag, c.says) {
			t.Errorf("%s: %q, %q, %v", c.says, out, diag, err)
		}
	}
	if out, diag, err := s.do(signed, "open", "-key", "k.pem", "-topic", "u"); err == nil || out != "" || strings.Contains(diag, "sender") {
		t.Errorf("another topic: %q, %q, %v", out, diag, err)
	}
}

// Without this a record would not survive the way to other tools and back.
func TestConvertAndInspect(t *testing.T) {
	s := newShell(t)
	for _, readers := range [][]string{{"-pubkey", "p.pem"}, {"-pubkey", "p.pem", "-pubkey", "p2.pem"}} {
		record := s.must("hello", append([]string{"seal", "-topic", "t", "-partition", "7"}, readers...)...)
		text := s.must(record, "convert")
		if back := s.must(text+"\n", "convert"); back != record {
			t.Errorf("there and back is not the same")
		}
		for _, spelling := range []string{record, text, text + "\r\n"} {
			if out := s.must(spelling, "inspect"); !strings.Contains(out, `"topic": "t"`) || !strings.Contains(out, `"partition": 7`) || !strings.Contains(out, `"plaintext_bytes": 5`) {
				t.Errorf("inspect says %s", out)
			}
		}
		if err := os.WriteFile(filepath.Join(s.dir, "a.rec"), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := s.must("", "open", "-key", "k.pem", "a.rec"); out != "hello" {
			t.Errorf("from a file: %q", out)
		}
	}
}

// Without this the id in a setting could be that of another key.
func TestThumbprint(t *testing.T) {
	s := newShell(t)
	for _, pair := range [][2]string{{"k.pem", "p.pem"}, {"s.pem", "trust.pem"}} {
		private, public := s.must("", "thumbprint", pair[0]), s.must("", "thumbprint", pair[1])
		if private != public || len(private) != 44 {
			t.Errorf("%v: %q and %q", pair, private, public)
		}
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "p.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if out := s.must(string(text)+string(text), "thumbprint"); strings.Count(out, "\n") != 2 {
		t.Errorf("two keys: %q", out)
	}
}

// Without this a private key could be readable to all, or be lost under a new
// one.
func TestKeygenTakesCare(t *testing.T) {
	s := newShell(t)
	info, err := os.Stat(filepath.Join(s.dir, "k.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v, %v", info.Mode(), err)
	}
	before := s.must("", "thumbprint", "k.pem")
	if _, _, err := s.do("", "keygen", "-key", "k.pem", "-pubkey", "new.pem"); err == nil || s.must("", "thumbprint", "k.pem") != before {
		t.Errorf("written over: %v", err)
	}
}

// Without this a script could not tell a bad record from a bad command line, or
// take half a message for a whole one.
func TestRefusals(t *testing.T) {
	s := newShell(t)
	record := s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t")
	rsaRecord := s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t", "-format", "rsa")
	altered := record[:len(record)-1] + "\x00"
	for _, c := range []struct {
		in    string
		line  []string
		usage bool
		says  string
	}{
		{"", nil, true, "no command"},
		{"", []string{"decrypt"}, true, "unknown command"},
		{"", []string{"open"}, true, "-key is missing"},
		{"", []string{"open", "-key", "none.pem"}, true, "no such file"},
		{"", []string{"open", "-key", "p.pem"}, true, "public key"},
		{"", []string{"open", "-key", "k.pem", "-trusted", filepath.Join(s.dir, "p.pem")}, true, "trusted sender"},
		{"", []string{"open", "-key", "k.pem", "-x"}, true, "not defined"},
		{"", []string{"open", "-key", "k.pem", "a", "b"}, true, "2 files"},
		{"", []string{"open", "-key", "k.pem", "none.rec"}, true, "no such file"},
		{"", []string{"seal", "-topic", "t"}, true, "-pubkey is missing"},
		{"", []string{"seal", "-pubkey", "k.pem", "-topic", "t"}, true, "private key"},
		{"", []string{"seal", "-pubkey", "p.pem"}, true, "-topic NAME"},
		{"", []string{"open", "-key", "k.pem"}, true, "empty (hint: name a FILE"},
		{"", []string{"inspect"}, true, "empty"},
		{"", []string{"convert"}, true, "empty"},
		{record, []string{"open", "-key", "k.pem", "-topic", "u"}, false, `topic "t"; try -topic`},
		{"", []string{"seal", "-pubkey", "p.pem", "-topic", "t", "-format", "rot13"}, true, "rot13"},
		{"", []string{"seal", "-pubkey", "p.pem", "-topic", "t", "-partition", "-1"}, true, "partition -1"},
		{"", []string{"seal", "-pubkey", "p.pem", "-topic", "t", "-partition", "2147483648"}, true, "partition 2147483648"},
		{"", []string{"seal", "-pubkey", "p.pem", "-topic", "t", "-signing-key", "k.pem"}, true, "Ed25519"},
		{"", []string{"keygen"}, true, "-key and -pubkey"},
		{"", []string{"keygen", "-bits", "1024", "-key", "x.pem", "-pubkey", "y.pem"}, true, "1024 bits"},
		{"", []string{"keygen", "-signing", "a\x07", "-key", "x.pem", "-pubkey", "y.pem"}, true, "printable"},
		{"hunter2", []string{"thumbprint"}, true, "not PEM"},
		{strings.Repeat("x", 191), []string{"seal", "-format", "rsa", "-pubkey", "p.pem", "-topic", "t"}, false, "limit 190"},
		{"hello", []string{"open", "-key", "k.pem"}, false, "not encrypted"},
		{altered, []string{"open", "-key", "k.pem"}, false, "undecryptable"},
		{altered + "\n", []string{"open", "-key", "k.pem"}, false, "undecryptable"},
		{record, []string{"open", "-key", "k2.pem"}, false, "for the key \"" + strings.TrimSpace(s.must("", "thumbprint", "k.pem"))},
		{rsaRecord, []string{"open", "-key", "k2.pem"}, false, "for another key"},
		{record[:50], []string{"open", "-key", "k.pem"}, false, "malformed"},
		{record[:50], []string{"convert"}, false, "malformed"},
		{"hello", []string{"convert"}, false, "not encrypted"},
		{"hello", []string{"inspect"}, false, "not encrypted"},
		{strings.Repeat("x", maxInput+1), []string{"inspect"}, false, "more than"},
	} {
		out, _, err := s.do(c.in, c.line...)
		var usage usageError
		if err == nil || out != "" || errors.As(err, &usage) != c.usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60q: %q, %v (a usage error: %t)", c.line, out, err, errors.As(err, &usage))
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error repeats the input", c.line)
		}
	}
	for _, line := range [][]string{{"help"}, {"-h"}, {"--help"}, {"seal", "-h"}, {"open", "-key", "k.pem", "-help"}} {
		if out := s.must("", line...); !strings.Contains(out, "Usage: envelope") {
			t.Errorf("%v says %q", line, out)
		}
	}
}

// Without this a full disk would look like success.
func TestFailedWriteIsAnError(t *testing.T) {
	s := newShell(t)
	record := s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t")
	for _, line := range [][]string{{"open", "-key", filepath.Join(s.dir, "k.pem")}, {"convert"}, {"inspect"}} {
		if err := (&tool{in: strings.NewReader(record), out: full{}, diag: full{}}).run(line); err == nil {
			t.Errorf("%v: no error", line)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// othersRecord is a JWE as another library writes it, for the key in a file.
func (s shell) othersRecord(public, header string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, public))
	if err != nil {
		s.t.Fatal(err)
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		s.t.Fatal(err)
	}
	dataKey, iv := make([]byte, 32), make([]byte, 12)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, keys[0], dataKey, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		s.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		s.t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	sealed := aead.Seal(nil, iv, []byte("hello"), []byte(b64([]byte(header))))
	return strings.Join([]string{b64([]byte(header)), b64(wrapped), b64(iv), b64(sealed[:5]), b64(sealed[5:])}, ".")
}

// Without this a record that another tool wrote could not be opened from a
// shell, or would be taken for the topic that it names.
func TestOpenRecordsOfOthers(t *testing.T) {
	s := newShell(t)
	bare := s.othersRecord("p.pem", `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)
	if out, diag, err := s.do(bare+"\n", "open", "-key", "k.pem"); err != nil || out != "hello" || !strings.Contains(diag, "not bound") {
		t.Errorf("%q, %q, %v", out, diag, err)
	}
	bound := s.othersRecord("p.pem", `{"alg":"RSA-OAEP-256","enc":"A256GCM","topic":"t"}`)
	if out, _, err := s.do(bound, "open", "-key", "k.pem", "-topic", "t"); err != nil || out != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	if out, diag, err := s.do(bound, "open", "-key", "k.pem"); err != nil || out != "hello" || !strings.Contains(diag, `topic "t", as the record says`) {
		t.Errorf("without a topic: %q, %q, %v", out, diag, err)
	}
	if out := s.must(bound, "inspect"); !strings.Contains(out, `"topic": "t"`) || strings.Contains(out, "counter") {
		t.Errorf("inspect says %s", out)
	}
	if out := s.must(s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t", "-format", "rsa")+"\n", "inspect"); out != "{\n  \"format\": \"rsa\"\n}\n" {
		t.Errorf("of the format rsa inspect says %s", out)
	}
}
