package interop_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// cryptographyVersion is the release of the Python package that the second implementation installs if there is none.
const cryptographyVersion = "cryptography==48.0.0"

// Without this the specification could differ from the code, and nobody could write an implementation from it. This
// second implementation was written from it.
func TestSecondImplementation(t *testing.T) {
	harness.Require(t, cryptography)
	for name, args := range map[string][]string{
		"vectors":   {"testdata/vectors.py", "../../envelope/testdata/vectors", "../../envelope/testdata/keys"},
		"sequences": {"testdata/sequences.py", "../../envelope/testdata/sequences"},
	} {
		output, err := exec.Command(pythonPath(), args...).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(output), " 0 failed\n") {
			t.Errorf("%s: %v: %s", name, err, output)
		}
	}
}

// Without this the two implementations could agree only on the vectors. Records are altered at random, with a fixed
// seed, and the results of this implementation become vectors for the other.
func TestImplementationsAgreeOnAlteredRecords(t *testing.T) {
	harness.Require(t, cryptography)
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	files, err := filepath.Glob("../../envelope/testdata/vectors/*")
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
		opener, names := openerOf(t, lines)
		if earlier := must(hex.DecodeString(lines["earlier"])); len(earlier) > 0 {
			_, _ = opener.Open(nil, lines["topic"], earlier) //nolint:errcheck // only its header counts
		}
		for i := range 8 {
			altered := alter(random, record)
			msg, err := opener.Open(nil, lines["topic"], altered)
			out := fmt.Sprintf("comment: altered\noutcome: %s\ntopic: %s\nkeys: %s\ntrusted: %s\n", outcomeOf(err), lines["topic"], lines["keys"], lines["trusted"])
			for _, name := range []string{"earlier", "require-formats", "require-senders", "allowed-readers"} {
				if lines[name] != "" {
					out += name + ": " + lines[name] + "\n"
				}
			}
			if rejected, ok := errors.AsType[*envelope.RejectedError](err); ok {
				out += "reason: " + string(rejected.Reason) + "\n"
			}
			if err == nil {
				out += fmt.Sprintf("plaintext: %x\nformat: %s\nkey: %s\nsender: %s\nsender-name: %s\nsender-reason: %s\nbound: %t\ncounted: %t\npartition: %d\ncounter: %d\nissued: %d\nexpires: %d\n",
					msg.Plaintext, msg.Format, names[msg.KeyID], msg.Sender.State, msg.Sender.Name, msg.Sender.Reason, msg.Bound, msg.Counted, msg.Partition, msg.Counter, secondsOf(msg.IssuedAt), secondsOf(msg.Expires))
			}
			name := filepath.Join(dir, fmt.Sprintf("%s_%d", filepath.Base(file), i))
			if err := os.WriteFile(name, append([]byte(out+"\n"), altered...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	output, err := exec.Command(pythonPath(), "testdata/vectors.py", dir, "../../envelope/testdata/keys").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(output), " 0 failed\n") {
		t.Errorf("%v: %s", err, output)
	}
}

// openerOf returns the reader that the lines of a vector describe, and the files of its keys by their ids.
func openerOf(t *testing.T, lines map[string]string) (opener *envelope.Opener, names map[string]string) {
	t.Helper()
	names = make(map[string]string)
	var cfg envelope.OpenerConfig
	var keys []*rsa.PrivateKey
	for name := range strings.FieldsSeq(lines["keys"]) {
		key := must(envelope.ParsePrivateKey(keyFile(t, name)))
		keys = append(keys, key)
		names[envelope.KeyID(&key.PublicKey)] = name
	}
	if lines["trusted"] != "" {
		cfg.TrustedSenders = must(envelope.ParseTrustedSenders(keyFile(t, lines["trusted"])))
	}
	for name := range strings.FieldsSeq(lines["require-formats"]) {
		cfg.Require.Formats = append(cfg.Require.Formats, envelope.Format(name))
	}
	for name := range strings.FieldsSeq(lines["require-senders"]) {
		if cfg.Require.VerifiedSender = name == "verified"; !cfg.Require.VerifiedSender {
			key := must(envelope.ParseSigningKey(keyFile(t, name)))
			cfg.Require.SenderIDs = append(cfg.Require.SenderIDs, envelope.SigningKeyID(ed25519.PublicKey(key[ed25519.SeedSize:])))
		}
	}
	for name := range strings.FieldsSeq(lines["allowed-readers"]) {
		if cfg.Require.HeldReaders = true; name != "held" {
			key := must(envelope.ParsePrivateKey(keyFile(t, name)))
			cfg.Require.ReaderIDs = append(cfg.Require.ReaderIDs, envelope.KeyID(&key.PublicKey))
		}
	}
	opener = envelope.NewOpener(cfg)
	if err := opener.SetKeys(keys...); err != nil {
		t.Fatal(err)
	}
	return opener, names
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func keyFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../envelope/testdata/keys", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// secondsOf returns 0 for no time.
func secondsOf(date time.Time) int64 {
	if date.IsZero() {
		return 0
	}
	return date.Unix()
}

// outcomeOf returns the specification's outcome; the errors' texts begin with it.
func outcomeOf(err error) string {
	if err == nil {
		return "opened"
	}
	if errors.Is(err, envelope.ErrUnsupported) {
		return "unsupported"
	}
	if errors.Is(err, envelope.ErrNeedsHeader) {
		return "needs header"
	}
	if errors.Is(err, envelope.ErrRejected) {
		return "rejected"
	}
	return strings.TrimSuffix(err.Error(), " record")
}

// alter flips a bit, sets, drops or adds a byte, or does so within the header of a text.
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

// cryptography requires a Python with the package cryptography: the installed one, or else one in a virtual
// environment, which is created once.
var cryptography = harness.Requirement(sync.OnceValue(func() string {
	if pythonPath() == "" {
		return "Python 3 with the package cryptography"
	}
	return ""
}))

var pythonPath = sync.OnceValue(func() string {
	const venv = "../../.cache/python"
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
