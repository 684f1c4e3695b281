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
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

const vectorsDir = "testdata/vectors"

// vector is one file of testdata/vectors: lines of names and values, an empty
// line, and the record's bytes. What a line does not say has its default.
type vector struct {
	name    string
	comment string
	outcome string // how a reader says it
	topic   string
	keys    string // files in testdata/keys that the reader holds, separated by blanks
	trusted string // file in testdata/keys with the trusted senders; none by default

	plaintext string // the rest only if it opens
	format    Format
	key       string // file of the key that opens it
	sender    Sender
	counted   bool
	bound     bool
	partition int32
	counter   uint64

	record []byte
}

var outcomeErrors = map[string]error{
	"opened": nil, "not encrypted": ErrNotEncrypted, "malformed": ErrMalformed,
	"no key": ErrNoKey, "unknown key": ErrUnknownKey, "undecryptable": ErrUndecryptable,
}

func (v *vector) marshal() []byte {
	var out bytes.Buffer
	line := func(name string, value any) { fmt.Fprintf(&out, "%s: %v\n", name, value) }
	line("comment", v.comment)
	line("outcome", v.outcome)
	line("topic", v.topic)
	line("keys", v.keys)
	line("trusted", v.trusted)
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
	}
	out.WriteByte('\n')
	out.Write(v.record)
	return out.Bytes()
}

// Without this a change of the code could change what records look like, or
// take one that must be refused, and another implementation would do otherwise.
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
		var cfg OpenerConfig
		if v.trusted != "" {
			if cfg.TrustedSenders, err = ParseTrustedSenders(testFile(t, v.trusted)); err != nil {
				t.Fatal(err)
			}
		}
		opener := NewOpener(cfg)
		if err := opener.SetKeys(testKeys(t, v.keys)...); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from what was remembered
			msg, err := opener.Open([]byte("dst"), v.topic, v.record)
			if want := outcomeErrors[v.outcome]; !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: got %v, want %q", v.name, err, v.outcome)
				continue
			}
			if err == nil {
				v.compare(t, msg)
			} else if msg.Plaintext != nil || msg.Sender != (Sender{State: SenderUnchecked}) || msg.KeyID != "" || msg.DataKey != "" {
				t.Errorf("%s: an error comes with %+v", v.name, msg)
			}
		}
	}
}

// Without this the files could be something else than what makes them, and
// could not be made again.
func TestVectorFilesAreThoseThatAreMade(t *testing.T) {
	made := makeVectors(t)
	if *update {
		if err := os.RemoveAll(vectorsDir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(vectorsDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, v := range made {
			if err := os.WriteFile(filepath.Join(vectorsDir, name), v.marshal(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(vectorsDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(made) {
		t.Errorf("there are %d files for %d vectors", len(files), len(made))
	}
	for name, v := range made { // the records differ each time: wrapping is random
		v.record = nil
		got := readVector(t, name)
		got.record = nil
		if !bytes.Equal(got.marshal(), v.marshal()) {
			t.Errorf("%s: the file is not what is made (hint: go test -run VectorFiles -update)", name)
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
		msg.Partition != v.partition || msg.Counter != v.counter {
		t.Errorf("%s: got %+v", v.name, msg)
	}
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

// set collects vectors; a case says only what differs from its default.
type set map[string]*vector

func (s set) add(t *testing.T, name, comment string, v vector) {
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

// refuse adds vectors that all have one outcome.
func (s set) refuse(t *testing.T, outcome string, records map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(records)) {
		s.add(t, name, strings.ReplaceAll(name, "_", " "), vector{outcome: outcome, record: []byte(records[name])})
	}
}
