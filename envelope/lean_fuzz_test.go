package envelope_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kafka-e2ee/envelope"
)

// leanVector is a lean record of the vectors, with the full one read before it.
type leanVector struct{ earlier, record []byte }

// leanVectors returns the same bytes in each process, unlike a sealer, so that a corpus
// keeps its meaning.
func leanVectors(t testing.TB) []leanVector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/lean*")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []leanVector
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, record, _ := bytes.Cut(text, []byte("\n\n"))
		_, earlier, _ := bytes.Cut(head, []byte("\nearlier: "))
		earlier, _, _ = bytes.Cut(earlier, []byte("\n"))
		full, err := hex.DecodeString(string(earlier))
		if err != nil {
			t.Fatal(err)
		}
		if len(full) > 0 {
			vectors = append(vectors, leanVector{full, record})
		}
	}
	if len(vectors) < 20 {
		t.Fatalf("only %d vectors have an earlier record", len(vectors))
	}
	return vectors
}

// FuzzOpenLean checks that a lean record opens exactly as the full one that it stands for:
// with the same message, or with the same error, whether the opener knows the header or the
// caller kept it.
func FuzzOpenLean(f *testing.F) {
	read := func(name string) []byte {
		text, err := os.ReadFile("testdata/keys/" + name)
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	trusted, err := envelope.ParseTrustedSenders(read("trusted.pem"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := envelope.ParsePrivateKey(read("reader.pem"))
	if err != nil {
		f.Fatal(err)
	}
	fresh := func() *envelope.Opener {
		opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: trusted})
		if err := opener.SetKeys(key); err != nil {
			f.Fatal(err)
		}
		return opener
	}
	opener, prefixes := fresh(), make(map[string][]byte)
	for _, v := range leanVectors(f) {
		if d, err := envelope.Describe(v.earlier); err == nil && !d.Lean {
			name := sha256.Sum256(v.earlier[:d.Prefix])
			prefixes[string(name[:16])] = v.earlier[:d.Prefix]
			f.Add(append([]byte("\xC1\x02"+string(name[:16])), v.earlier[d.Prefix:]...), "t")
		}
		for _, topic := range []string{"t", "u"} {
			f.Add(v.record, topic)
			_, _ = opener.Open(nil, topic, v.earlier) //nolint:errcheck // only what it learns counts
		}
	}
	f.Fuzz(func(t *testing.T, value []byte, topic string) {
		if !bytes.HasPrefix(value, []byte("\xC1\x02")) {
			value = append([]byte("\xC1\x02"), value...)
		}
		msg, err := opener.Open(nil, topic, value)
		name, ok := envelope.LeanName(value)
		if size := envelope.MessageSize(value); ok != (len(value) >= 46) || ok && (size != len(value)-46 || string(name[:]) != string(value[2:18])) || !ok && size != -1 {
			t.Errorf("a lean record of %d bytes: %t, name %s, a message of %d bytes", len(value), ok, name, size)
		}
		var prefix []byte
		if len(value) >= 18 {
			prefix = prefixes[string(value[2:18])]
		}
		if known := opener.HeaderOf(value); ok && known != string(prefix) || !ok && known != "" {
			t.Errorf("the header is %d bytes, want %d", len(known), len(prefix))
		}
		if prefix == nil {
			if !errors.Is(err, envelope.ErrNeedsHeader) && !errors.Is(err, envelope.ErrMalformed) || errors.Is(err, envelope.ErrMalformed) != (len(value) < 46 || value[18] >= 0x80) {
				t.Errorf("a record with an unknown header: %v", err)
			}
			return
		}
		want, wantErr := fresh().Open(nil, topic, append(bytes.Clone(prefix), value[18:]...))
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(msg, want) {
			t.Errorf("lean: %+v, %v; full: %+v, %v", msg, err, want, wantErr)
		}
		kept, keptErr := fresh().OpenWith(nil, topic, value, string(prefix))
		if fmt.Sprint(keptErr) != fmt.Sprint(wantErr) || err == nil && !reflect.DeepEqual(kept, want) {
			t.Errorf("lean, with the header: %+v, %v; full: %+v, %v", kept, keptErr, want, wantErr)
		}
	})
}

// FuzzAddHeader checks that only a full record with the header that a lean one names makes
// it full, and that everything else of it stays.
func FuzzAddHeader(f *testing.F) {
	for _, v := range leanVectors(f) {
		f.Add(v.record, v.earlier)
		f.Add(v.earlier, v.record)
		f.Add(v.record, v.record)
	}
	f.Fuzz(func(t *testing.T, value, with []byte) {
		made, err := envelope.AddHeader(value, with)
		was, describeErr := envelope.Describe(value)
		if err != nil {
			if made != nil || describeErr == nil && was.Format == envelope.FormatEnvelope && !was.Lean {
				t.Errorf("%d bytes, %v", len(made), err)
			}
			return
		}
		d, madeErr := envelope.Describe(made)
		if describeErr != nil || madeErr != nil || d.Lean || d.HeaderName != was.HeaderName || !bytes.Equal(made[d.Prefix:], value[was.Prefix:]) {
			t.Errorf("%+v, %v became %+v, %v", was, describeErr, d, madeErr)
		}
	})
}

// FuzzLeanReader compares an opener with a naive model of it while records and keys come
// in any order. The model remembers every full record, and opens the full form of a lean
// one with a new opener.
func FuzzLeanReader(f *testing.F) {
	f.Add([]byte{6, 0, 30, 1, 0, 31, 32, 1, 30, 0})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 30, 0, 1, 2, 3, 4, 5, 31, 0, 1, 2, 3, 4, 5, 32, 1, 3, 5})
	var fulls, leans [][]byte
	for _, m := range []testSealer{{}, {signing: signingKey(1)}, {readers: []*rsa.PrivateKey{key3072()}}} {
		full, lean := m.leanPair(f)
		fulls, leans = append(fulls, full), append(leans, lean)
	}
	keySets := [][]*rsa.PrivateKey{nil, {key2048()}, {key3072(), key2048()}}
	f.Fuzz(func(t *testing.T, steps []byte) {
		opener, keys, seen := envelope.NewOpener(envelope.OpenerConfig{}), keySets[0], make(map[int]bool)
		for i, step := range steps[:min(len(steps), 100)] {
			if step >= 30 {
				keys = keySets[int(step)%len(keySets)]
				if err := opener.SetKeys(keys...); err != nil {
					t.Fatal(err)
				}
				continue
			}
			n, lean, topic := int(step)/2%len(fulls), step%2 == 1, "t"
			if step >= 20 {
				topic = "u"
			}
			value := fulls[n]
			if lean {
				value = leans[n]
			} else if topic == "t" {
				seen[n] = true
			}
			_, err := opener.Open(nil, topic, value)
			if lean && !seen[n] {
				if !errors.Is(err, envelope.ErrNeedsHeader) {
					t.Fatalf("step %d: %v without the header", i, err)
				}
				continue
			}
			full, addErr := envelope.AddHeader(value, fulls[n])
			if addErr != nil {
				t.Fatal(addErr)
			}
			model := newOpener(t, keys...)
			if _, want := model.Open(nil, topic, full); fmt.Sprint(err) != fmt.Sprint(want) {
				t.Fatalf("step %d: %v, want %v", i, err, want)
			}
		}
	})
}
