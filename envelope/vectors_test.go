package envelope

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata/vectors")

const vectorsDir = "testdata/vectors"

// vector is one file of testdata/vectors: lines of names and values, an empty line, and
// the bytes of the record. A missing line means the default; SPEC.md, section 13.
type vector struct {
	name    string
	comment string
	outcome string // as SPEC.md, section 8, names it
	topic   string
	keys    string // files in testdata/keys that the reader holds, separated by spaces
	earlier string // a record that the reader read before
	trusted string // file in testdata/keys with the trusted senders
	reason  string // of a rejection

	requireFormats string // separated by spaces, like the next two
	requireSenders string // "verified", or files with signing keys
	allowedReaders string // "held", and files with keys

	plaintext string // this and the following only if the record opens
	format    Format
	key       string // file of the key that opens the record
	sender    Sender
	counted   bool
	bound     bool
	partition int32
	counter   uint64
	issued    int64 // seconds since 1970, like the next
	expires   int64

	record []byte
}

var outcomeErrors = map[string]error{
	"opened": nil, "not encrypted": ErrNotEncrypted, "malformed": ErrMalformed,
	"unsupported": ErrUnsupported, "needs header": ErrNeedsHeader, "no key": ErrNoKey, "unknown key": ErrUnknownKey, "undecryptable": ErrUndecryptable,
	"rejected": ErrRejected,
}

func (v *vector) marshal() []byte {
	var out bytes.Buffer
	line := func(name string, value any) { fmt.Fprintf(&out, "%s: %v\n", name, value) }
	line("comment", v.comment)
	line("outcome", v.outcome)
	line("topic", v.topic)
	line("keys", v.keys)
	line("trusted", v.trusted)
	if v.earlier != "" {
		line("earlier", hex.EncodeToString([]byte(v.earlier)))
	}
	for _, requirement := range []struct{ name, value string }{
		{"require-formats", v.requireFormats}, {"require-senders", v.requireSenders}, {"allowed-readers", v.allowedReaders}, {"reason", v.reason},
	} {
		if requirement.value != "" {
			line(requirement.name, requirement.value)
		}
	}
	if v.outcome == "opened" {
		line("plaintext", fmt.Sprintf("%x", v.plaintext))
		line("format", v.format)
		line("key", v.key)
		line("sender", v.sender.State)
		line("sender-name", v.sender.Name)
		line("sender-reason", v.sender.Reason)
		line("bound", v.bound)
		line("counted", v.counted)
		line("partition", v.partition)
		line("counter", v.counter)
		line("issued", v.issued)
		line("expires", v.expires)
	}
	out.WriteByte('\n')
	out.Write(v.record)
	return out.Bytes()
}

// Without this, a change could alter the format or accept a record that must be refused,
// and other implementations would no longer agree.
func TestVectors(t *testing.T) {
	files, err := os.ReadDir(vectorsDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 60 {
		t.Errorf("there are only %d vectors", len(files))
	}
	for _, file := range files {
		v := readVector(t, file.Name())
		cfg := OpenerConfig{Require: v.requirements(t)}
		if v.trusted != "" {
			if cfg.TrustedSenders, err = ParseTrustedSenders(testFile(t, v.trusted)); err != nil {
				t.Fatal(err)
			}
		}
		opener := NewOpener(cfg)
		if err := opener.SetKeys(testKeys(t, v.keys)...); err != nil {
			t.Fatal(err)
		}
		if v.earlier != "" {
			_, _ = opener.Open(nil, v.topic, []byte(v.earlier)) //nolint:errcheck // only its header counts
		}
		for range 2 { // the second time from the cache
			msg, err := opener.Open([]byte("dst"), v.topic, v.record)
			if want := outcomeErrors[v.outcome]; !errors.Is(err, want) || (err == nil) != (want == nil) || v.outcome == "malformed" && errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: got %v, want %q", v.name, err, v.outcome)
				continue
			}
			if rejected, ok := errors.AsType[*RejectedError](err); ok != (v.reason != "") || ok && string(rejected.Reason) != v.reason {
				t.Errorf("%s: got %v, want the reason %q", v.name, err, v.reason)
			}
			if err == nil {
				v.compare(t, msg)
			} else if msg.Plaintext != nil || msg.Sender != (Sender{State: SenderUnchecked}) || msg.KeyID != "" || msg.DataKey != "" || !msg.IssuedAt.IsZero() || !msg.Expires.IsZero() {
				t.Errorf("%s: an error comes with %+v", v.name, msg)
			}
		}
	}
}

// Without this, nobody could tell how the files were made, or make them again.
func TestVectorFilesMatchTheirSource(t *testing.T) {
	made := makeVectors(t)
	if *update {
		updateVectors(t, made)
	}
	files, err := os.ReadDir(vectorsDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(made) {
		t.Errorf("got %d files for %d vectors", len(files), len(made))
	}
	for name, v := range made {
		if !v.sameCase(readVector(t, name)) {
			t.Errorf("%s: the file differs from its source (hint: go test -run VectorFiles -update)", name)
		}
	}
}

// sameCase compares everything but the records, because wrapping is random.
func (v *vector) sameCase(other *vector) bool {
	a, b := *v, *other
	for _, side := range []*vector{&a, &b} {
		side.record = nil
		if side.earlier != "" {
			side.earlier = "a record"
		}
	}
	return bytes.Equal(a.marshal(), b.marshal())
}

// updateVectors writes the files of new and changed cases and leaves the others alone: a
// record that was released never changes.
func updateVectors(t *testing.T, made vectorSet) {
	t.Helper()
	files, err := os.ReadDir(vectorsDir)
	if err != nil {
		t.Fatal(err)
	}
	same := make(map[string]bool)
	for _, file := range files {
		name := file.Name()
		if v := made[name]; v != nil && v.sameCase(readVector(t, name)) {
			same[name] = true
		} else if err := os.Remove(filepath.Join(vectorsDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range made {
		if same[name] {
			continue
		}
		if err := os.WriteFile(filepath.Join(vectorsDir, name), v.marshal(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readVector(t *testing.T, name string) *vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	head, record, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s: no empty line", name)
	}
	v := &vector{name: name, record: record}
	for line := range strings.SplitSeq(string(head), "\n") {
		field, value, _ := strings.Cut(line, ": ")
		if err := v.set(field, value); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
	}
	if _, known := outcomeErrors[v.outcome]; !known {
		t.Fatalf("%s: unknown outcome %q", name, v.outcome)
	}
	return v
}

func (v *vector) set(field, value string) (err error) {
	switch field {
	case "comment":
		v.comment = value
	case "outcome":
		v.outcome = value
	case "topic":
		v.topic = value
	case "keys":
		v.keys = value
	case "trusted":
		v.trusted = value
	case "earlier":
		var raw []byte
		raw, err = hex.DecodeString(value)
		v.earlier = string(raw)
	case "reason":
		v.reason = value
	case "require-formats":
		v.requireFormats = value
	case "require-senders":
		v.requireSenders = value
	case "allowed-readers":
		v.allowedReaders = value
	case "plaintext":
		var raw []byte
		raw, err = hex.DecodeString(value)
		v.plaintext = string(raw)
	case "format":
		v.format = Format(value)
	case "key":
		v.key = value
	case "sender":
		v.sender.State = SenderState(value)
	case "sender-name":
		v.sender.Name = value
	case "sender-reason":
		v.sender.Reason = SenderReason(value)
	case "bound":
		v.bound, err = strconv.ParseBool(value)
	case "counted":
		v.counted, err = strconv.ParseBool(value)
	case "partition":
		_, err = fmt.Sscan(value, &v.partition)
	case "counter":
		v.counter, err = strconv.ParseUint(value, 10, 64)
	case "issued":
		v.issued, err = strconv.ParseInt(value, 10, 64)
	case "expires":
		v.expires, err = strconv.ParseInt(value, 10, 64)
	default:
		err = errors.New("unknown line")
	}
	return err
}

func (v *vector) compare(t *testing.T, msg Message) {
	t.Helper()
	msg.Sender.KeyID = ""
	if string(msg.Plaintext) != "dst"+v.plaintext || msg.Format != v.format || msg.Sender != v.sender ||
		msg.KeyID != KeyID(&testKeys(t, v.key)[0].PublicKey) || msg.Counted != v.counted || msg.Bound != v.bound ||
		msg.Partition != v.partition || msg.Counter != v.counter || secondsOf(msg.IssuedAt) != v.issued || secondsOf(msg.Expires) != v.expires {
		t.Errorf("%s: got %+v", v.name, msg)
	}
}

// secondsOf returns 0 for no time.
func secondsOf(date time.Time) int64 {
	if date.IsZero() {
		return 0
	}
	return date.Unix()
}

func testFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/keys", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func testKeys(t testing.TB, names string) []*rsa.PrivateKey {
	t.Helper()
	var keys []*rsa.PrivateKey
	for name := range strings.FieldsSeq(names) {
		key, err := ParsePrivateKey(testFile(t, name))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// vectorSet collects vectors by name. A case sets only what differs from its defaults.
type vectorSet map[string]*vector

func (s vectorSet) add(t *testing.T, name, comment string, v vector) {
	t.Helper()
	if s[name] != nil {
		t.Fatalf("two vectors are named %s", name)
	}
	v.name, v.comment = name, comment
	v.topic, v.outcome = cmp.Or(v.topic, "t"), cmp.Or(v.outcome, "opened")
	switch v.keys {
	case "":
		v.keys = "reader.pem"
	case "none":
		v.keys = ""
	}
	if v.outcome == "opened" {
		v.key, v.format = cmp.Or(v.key, "reader.pem"), cmp.Or(v.format, FormatEnvelope)
		if v.sender.State == "" {
			v.sender = Sender{State: SenderUnverified, Reason: ReasonUnsigned}
		}
	}
	s[name] = &v
}

// refuse adds vectors that all have the same outcome.
func (s vectorSet) refuse(t *testing.T, outcome string, records map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(records)) {
		s.add(t, name, strings.ReplaceAll(name, "_", " "), vector{outcome: outcome, record: []byte(records[name])})
	}
}
