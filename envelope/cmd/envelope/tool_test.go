package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// shell runs commands in a temporary folder, in which files have short names.
type shell struct {
	t   *testing.T
	dir string
}

// do runs one command line and returns its output, its notes and its error.
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

// Without this, a script that demands a format, a sender or readers would use messages
// of others, or a person could not tell which demand a record fails.
func TestOpenRejects(t *testing.T) {
	s := newShell(t)
	s.must("", "keygen", "-signing", "bob", "-key", "s2.pem", "-pubkey", "trust2.pem")
	trust := "-trusted=" + filepath.Join(s.dir, "trust.pem")
	seal := func(more ...string) string {
		return s.must("hello", append([]string{"seal", "-topic", "t", "-pubkey", "p.pem"}, more...)...)
	}
	id := func(name string) string { return strings.TrimSpace(s.must("", "thumbprint", name)) }
	signed, unsigned, bobs, two := seal("-signing-key", "s.pem"), seal(), seal("-signing-key", "s2.pem"), seal("-signing-key", "s.pem", "-pubkey", "p2.pem")
	for _, c := range []struct {
		record string
		line   []string
		says   string // "" if it opens
	}{
		{signed, []string{"-require-format", "envelope", trust, "-require-sender", "verified", "-allow-readers", "held"}, ""},
		{signed, []string{trust, "-require-sender", id("s.pem")}, ""},
		{two, []string{"-allow-readers", "held," + id("k2.pem")}, ""},
		{two, []string{"-allow-readers", "held", "-key", "k2.pem"}, ""},
		{signed, []string{"-require-format", "jwe,rsa"}, "its format is not accepted"},
		{"hello\n", []string{"-require-format", "rsa"}, "its format is not accepted"},
		{unsigned, []string{trust, "-require-sender", "verified"}, "nobody signed it"},
		{bobs, []string{trust, "-require-sender", "verified"}, "unknown signer: " + id("s2.pem")},
		{two, []string{"-allow-readers", "held"}, "the keys " + id("k2.pem") + " open it, too"},
	} {
		out, _, err := s.do(c.record, append([]string{"open", "-key", "k.pem", "-topic", "t"}, c.line...)...)
		if (err == nil) != (c.says == "") || (out == "hello") != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "rejected record")) {
			t.Errorf("%v: %q, %v, want %q", c.line, out, err, c.says)
		}
	}
	if _, diag, err := s.do(two, "open", "-key", "k.pem"); err != nil || !strings.Contains(diag, "also readable with the keys "+id("k2.pem")) || !strings.Contains(diag, "data key in use since 20") {
		t.Errorf("the notes are %q, %v", diag, err)
	}
}

// Without this, a pipe could change a message.
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

// Without this, a user would not learn what is proven about a message, or would be told
// too much.
func TestOpenNotesWhatIsProven(t *testing.T) {
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

// Without this, a record would not survive conversion for other tools and back.
func TestConvertAndInspect(t *testing.T) {
	s := newShell(t)
	for _, readers := range [][]string{{"-pubkey", "p.pem"}, {"-pubkey", "p.pem", "-pubkey", "p2.pem"}} {
		record := s.must("hello", append([]string{"seal", "-topic", "t", "-partition", "7"}, readers...)...)
		text := s.must(record, "convert")
		if back := s.must(text+"\n", "convert"); back != record {
			t.Errorf("converting there and back changed the record")
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

// Without this, a setting could contain the id of another key.
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
	want := s.must(string(text), "thumbprint")
	if windows := strings.TrimSuffix(strings.ReplaceAll("\ufeff"+string(text), "\n", "\r\n"), "\n"); s.must(windows, "thumbprint") != want {
		t.Error("other line ends change the id")
	}
	if out := s.must(string(text)+string(text), "thumbprint"); strings.Count(out, "\n") != 2 {
		t.Errorf("two keys: %q", out)
	}
}

// Without this, everybody could read a new private key, or it could overwrite another.
func TestKeygenProtectsFiles(t *testing.T) {
	s := newShell(t)
	info, err := os.Stat(filepath.Join(s.dir, "k.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v, %v", info.Mode(), err)
	}
	before := s.must("", "thumbprint", "k.pem")
	if _, _, err := s.do("", "keygen", "-key", "k.pem", "-pubkey", "new.pem"); err == nil || s.must("", "thumbprint", "k.pem") != before {
		t.Errorf("overwritten: %v", err)
	}
}

// Without this, a script could not tell a bad record from a bad command line, or would
// use half a message.
func TestErrors(t *testing.T) {
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
		{`{"kty":"RSA"}`, []string{"thumbprint"}, true, "JWK"},
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
		{"", []string{"open", "-key", "k.pem", "-require-format", "rot13"}, true, `format "rot13"`},
		{"", []string{"open", "-key", "k.pem", "-require-sender", "verified"}, true, "nobody is trusted"},
		{"", []string{"open", "-key", "k.pem", "-require-sender", "alice"}, true, `only "verified"`},
		{"", []string{"open", "-key", "k.pem", "-allow-readers", "all"}, true, "43 characters"},
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

// Without this, a full disk would look like success.
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

// foreignRecord returns a JWE as another library writes it, for the key in p.pem.
func (s shell) foreignRecord(header string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "p.pem"))
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

// Without this, the command could not open records of other libraries, or would not say
// that it trusts their topic.
func TestOpenForeignRecords(t *testing.T) {
	s := newShell(t)
	bare := s.foreignRecord(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)
	if out, diag, err := s.do(bare+"\n", "open", "-key", "k.pem"); err != nil || out != "hello" || !strings.Contains(diag, "not bound") {
		t.Errorf("%q, %q, %v", out, diag, err)
	}
	bound := s.foreignRecord(`{"alg":"RSA-OAEP-256","enc":"A256GCM","topic":"t"}`)
	if out, _, err := s.do(bound, "open", "-key", "k.pem", "-topic", "t"); err != nil || out != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	if out, diag, err := s.do(bound, "open", "-key", "k.pem"); err != nil || out != "hello" || !strings.Contains(diag, `topic "t", according to the record`) {
		t.Errorf("without a topic: %q, %q, %v", out, diag, err)
	}
	if out := s.must(bound, "inspect"); !strings.Contains(out, `"topic": "t"`) || strings.Contains(out, "counter") {
		t.Errorf("inspect says %s", out)
	}
	if out := s.must(s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t", "-format", "rsa")+"\n", "inspect"); out != "{\n  \"format\": \"rsa\"\n}\n" {
		t.Errorf("of the format rsa inspect says %s", out)
	}
}

// Without this, a user would look for a truncated record when only the algorithms of the
// writer are wrong.
func TestUnsupportedAlgorithms(t *testing.T) {
	s := newShell(t)
	record := s.foreignRecord(`{"alg":"RSA-OAEP-256","enc":"A128GCM"}`)
	const says = "encrypted with RSA-OAEP-256/A128GCM, which is not accepted here; wanted: RSA-OAEP-256/A256GCM"
	for _, line := range [][]string{{"open", "-key", "k.pem"}, {"open", "-key", "k.pem", "-topic", "t"}, {"convert"}} {
		if out, _, err := s.do(record+"\n", line...); err == nil || out != "" || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "cut") {
			t.Errorf("%v: %q, %v", line, out, err)
		}
	}
	if out := s.must(record+"\n", "inspect"); !strings.Contains(out, says) || !strings.Contains(out, `"enc": "A128GCM"`) {
		t.Errorf("inspect says %s", out)
	}
	parts := strings.Split(s.foreignRecord(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`), ".")
	general := fmt.Sprintf(`{"recipients": [{"encrypted_key": "%s"}], "iv": "%s", "ciphertext": "%s", "tag": "%s", "protected": "%s"}`, parts[1], parts[2], parts[3], parts[4], parts[0])
	for _, line := range [][]string{{"open", "-key", "k.pem"}, {"convert"}} {
		if _, _, err := s.do(general+"\n", line...); err == nil || !strings.Contains(err.Error(), "write the compact form") {
			t.Errorf("general JSON, %v: %v", line, err)
		}
	}
	if out := s.must(general, "inspect"); !strings.Contains(out, "write the compact form") {
		t.Errorf("inspect says %s", out)
	}
	broken := "\xC1\x04" + s.must("hello", "seal", "-pubkey", "p.pem", "-topic", "t")[2:]
	if _, _, err := s.do(broken, "open", "-key", "k.pem"); err == nil || !strings.Contains(err.Error(), "unknown flags") {
		t.Errorf("broken: %v", err)
	}
}

// Without this, a user who has one lean record would not learn what it needs, or could
// not read it with other tools.
func TestLeanRecords(t *testing.T) {
	s := newShell(t)
	text, err := os.ReadFile(filepath.Join(s.dir, "p.pem"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	pair := func() (full, lean string) {
		sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: "t", Readers: keys, Headers: envelope.HeaderPolicy{Records: 64, Interval: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		for _, out := range []*string{&full, &lean} {
			value, err := sealer.Seal(nil, []byte("hello"), 0)
			if err != nil {
				t.Fatal(err)
			}
			*out = string(value)
		}
		return full, lean
	}
	full, lean := pair()
	other, _ := pair()
	for name, record := range map[string]string{"full.rec": full, "line.rec": full + "\n", "lean.rec": lean, "other.rec": other, "text.rec": "hello"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, header := range []string{"full.rec", "line.rec"} {
		for _, in := range []string{lean, lean + "\n"} {
			if out, diag, err := s.do(in, "open", "-key", "k.pem", "-header", header); err != nil || out != "hello" || !strings.Contains(diag, "counter 1") || !strings.Contains(diag, `topic "t"`) {
				t.Errorf("%q, %q, %v", out, diag, err)
			}
		}
	}
	if out := s.must(s.must(lean, "convert", "-header", "full.rec"), "open", "-key", "k.pem", "-topic", "t"); out != "hello" {
		t.Errorf("converted: %q", out)
	}
	if out := s.must(full, "open", "-key", "k.pem", "-header", "other.rec"); out != "hello" {
		t.Errorf("a full record needs no other header: %q", out)
	}
	shown, described := s.must(lean, "inspect"), s.must(full, "inspect")
	_, name, _ := strings.Cut(shown, `"header_name": "`)
	name, _, _ = strings.Cut(name, `"`)
	if !strings.Contains(shown, `"lean": true`) || strings.Contains(shown, `"topic"`) || len(name) != 22 || !strings.Contains(described, name) || strings.Contains(described, "lean") {
		t.Errorf("inspect says %s and %s", shown, described)
	}
	for _, c := range []struct {
		in   string
		line []string
		says string
	}{
		{lean, []string{"open", "-key", "k.pem"}, "whose header has the name " + name},
		{lean, []string{"open", "-key", "k.pem", "-topic", "t"}, "-header FILE takes a full record"},
		{lean, []string{"open", "-key", "k.pem", "-header", "other.rec"}, "whose header has the name " + name},
		{lean, []string{"open", "-key", "k.pem", "-header", "lean.rec"}, "the other record is lean, too"},
		{lean, []string{"open", "-key", "k.pem", "-header", "text.rec"}, "-header takes a full record"},
		{lean, []string{"open", "-key", "k.pem", "-header", "none.rec"}, "no such file"},
		{lean[:len(lean)-1] + "\x00", []string{"open", "-key", "k.pem", "-header", "full.rec"}, "undecryptable"},
		{lean[:45], []string{"open", "-key", "k.pem", "-header", "full.rec"}, "malformed"},
		{"hello", []string{"open", "-key", "k.pem", "-header", "full.rec"}, "not encrypted"},
		{lean, []string{"convert"}, "whose header has the name " + name},
	} {
		if out, _, err := s.do(c.in, c.line...); err == nil || out != "" || !strings.Contains(err.Error(), c.says) || strings.Count(err.Error(), "hint") > 1 {
			t.Errorf("%v: %q, %v, want %q", c.line, out, err, c.says)
		}
	}
}

// Without this, a user could read a topic with lean records only record by record, or one
// bad record would hide the others.
func TestOpenStream(t *testing.T) {
	s := newShell(t)
	text, err := os.ReadFile(filepath.Join(s.dir, "p.pem"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: "t", Readers: keys, Headers: envelope.HeaderPolicy{Records: 64, Interval: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	var records []string
	for _, message := range []string{"one", "two\n", "", "three"} {
		value, err := sealer.Seal(nil, []byte(message), 0)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, string(value))
	}
	stream := func(records ...string) string {
		out := ""
		for _, r := range records {
			out += string(binary.BigEndian.AppendUint32(nil, uint32(len(r)))) + r
		}
		return out
	}
	line := []string{"open", "-key", "k.pem", "-topic", "t", "-stream"}
	if out := s.must(stream(records...), line...); out != "one\ntwo\n\n\nthree\n" {
		t.Errorf("got %q", out)
	}
	null := "\xff\xff\xff\xff"
	out, diag, err := s.do(stream(records[1])+null+stream(records[0], "plain", records[3]), line...)
	if err == nil || out != "one\nthree\n" || !strings.Contains(err.Error(), "2 of 5 records") || !strings.Contains(diag, "record 1: needs its header") || !strings.Contains(diag, "record 2: it has no value") || !strings.Contains(diag, "record 4: not encrypted") {
		t.Errorf("%q, %q, %v", out, diag, err)
	}
	for in, says := range map[string]string{
		"": "the input is empty", "\x00\x00": "ends in a length", "hello": "want at most", stream(records[0])[:50]: "the stream ends in a record", "\xff\xff\xff\xfe": "got a length of -2",
	} {
		if out, _, err := s.do(in, line...); err == nil || out != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q, %v, want %q", in, out, err, says)
		}
	}
	for _, wrongLine := range [][]string{{"open", "-key", "k.pem", "-stream"}, {"open", "-key", "k.pem", "-topic", "t", "-stream", "-header", "full.rec"}} {
		if _, _, err := s.do("", wrongLine...); err == nil || !strings.Contains(err.Error(), "-stream takes -topic") {
			t.Errorf("%v: %v", wrongLine, err)
		}
	}
}
