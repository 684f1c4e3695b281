package e2e_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
)

// cryptographyVersion is the release of the Python package that the second
// implementation is installed with where it is not there already.
const cryptographyVersion = "cryptography==48.0.0"

// Without this the specification could say something else than the code does,
// and nobody could write an implementation from it. The one that runs here was.
func TestSecondImplementation(t *testing.T) {
	need(t, cryptography)
	output, err := exec.Command(pythonPath(), "testdata/vectors.py", "../envelope/testdata/vectors", "../envelope/testdata/keys").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(output), " 0 failed\n") {
		t.Errorf("%v: %s", err, output)
	}
}

// Without this the two implementations could agree on what is in the vectors and
// on nothing else. Records are altered at random, always in the same way, and
// what this one says of them becomes the vectors of the other.
func TestImplementationsAgreeOnAlteredRecords(t *testing.T) {
	need(t, cryptography)
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	files, err := filepath.Glob("../envelope/testdata/vectors/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, record, _ := bytes.Cut(text, []byte("\n\n"))
		lines := make(map[string]string)
		for line := range strings.SplitSeq(string(head), "\n") {
			name, value, _ := strings.Cut(line, ": ")
			lines[name] = value
		}
		opener, names := openerOf(t, lines["keys"])
		for i := range 8 {
			altered := alter(random, record)
			msg, err := opener.Open(nil, lines["topic"], altered)
			out := fmt.Sprintf("comment: altered\noutcome: %s\ntopic: %s\nkeys: %s\ntrusted: \n", outcomeOf(err), lines["topic"], lines["keys"])
			if err == nil {
				out += fmt.Sprintf("plaintext: %x\nformat: %s\nkey: %s\nsender: %s\nsender-name: \nsender-reason: %s\nbound: %t\ncounted: %t\npartition: %d\ncounter: %d\n",
					msg.Plaintext, msg.Format, names[msg.KeyID], msg.Sender.State, msg.Sender.Reason, msg.Bound, msg.Counted, msg.Partition, msg.Counter)
			}
			name := filepath.Join(dir, fmt.Sprintf("%s_%d", filepath.Base(file), i))
			if err := os.WriteFile(name, append([]byte(out+"\n"), altered...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	output, err := exec.Command(pythonPath(), "testdata/vectors.py", dir, "../envelope/testdata/keys").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(output), " 0 failed\n") {
		t.Errorf("%v: %s", err, output)
	}
}

func openerOf(t *testing.T, files string) (opener *envelope.Opener, names map[string]string) {
	t.Helper()
	names = make(map[string]string)
	var keys []*rsa.PrivateKey
	for name := range strings.FieldsSeq(files) {
		text, err := os.ReadFile(filepath.Join("../envelope/testdata/keys", name))
		if err != nil {
			t.Fatal(err)
		}
		key, err := envelope.ParsePrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		names[envelope.KeyID(&key.PublicKey)] = name
	}
	return openerWith(t, keys...), names
}

// outcomeOf is what the specification calls an outcome; the errors' texts begin
// with it.
func outcomeOf(err error) string {
	if err == nil {
		return "opened"
	}
	return strings.TrimSuffix(err.Error(), " record")
}

// alter flips a bit, sets, drops or adds a byte, or does so within the header of
// a text.
func alter(random *rand.Rand, record []byte) []byte {
	out := bytes.Clone(record)
	if len(out) == 0 {
		return out
	}
	switch at := random.IntN(len(out)); random.IntN(6) {
	case 0, 1:
		out[at] ^= 1 << random.IntN(8)
	case 2:
		out[at%120%len(out)] = byte(random.IntN(256))
	case 3:
		out = slices.Delete(out, at, at+1)
	case 4:
		out = slices.Insert(out, at, ".=\n\"{A"[random.IntN(6)])
	default:
		text, rest, _ := bytes.Cut(out, []byte("."))
		header, err := base64.RawURLEncoding.DecodeString(string(text))
		if err != nil || len(header) == 0 {
			return out
		}
		header[at%len(header)] = " \"{}[],:\\u0aA1"[random.IntN(14)]
		out = append(base64.RawURLEncoding.AppendEncode(nil, header), append([]byte("."), rest...)...)
	}
	return out
}

// cryptography is a Python with the package cryptography: the one that is there,
// or else one of our own, which is made once.
var cryptography = &thing{sync.OnceValue(func() string {
	if pythonPath() == "" {
		return "Python 3 with the package cryptography"
	}
	return ""
})}

var pythonPath = sync.OnceValue(func() string {
	const venv = "../.cache/python"
	own := filepath.Join(venv, "bin", "python")
	for _, python := range []string{"python3", own} {
		if exec.Command(python, "-c", "import cryptography").Run() == nil {
			return python
		}
	}
	if exec.Command("python3", "-m", "venv", venv).Run() != nil ||
		exec.Command(own, "-m", "pip", "install", "--quiet", cryptographyVersion).Run() != nil {
		return ""
	}
	return own
})
