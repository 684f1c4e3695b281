package envelope_test

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// vectorRecords returns the records of all vectors, by file name.
func vectorRecords(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	records := make(map[string][]byte)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, record, _ := bytes.Cut(text, []byte("\n\n"))
		records[filepath.Base(file)] = record
	}
	return records
}

// checkConversion checks what must hold for every value: a conversion can be reversed,
// and does not change the description of the record.
func checkConversion(t testing.TB, value []byte) {
	t.Helper()
	other, err := envelope.Convert(value)
	described, describeErr := envelope.Describe(value)
	if err == nil && describeErr != nil {
		t.Fatalf("converted: %v, described: %v", err, describeErr)
	}
	if errors.Is(err, envelope.ErrNeedsHeader) != described.Lean {
		t.Errorf("converted: %v, described: %+v", err, described)
	}
	if described.Lean {
		return
	}
	if err != nil {
		if !errors.Is(err, envelope.ErrMalformed) && !errors.Is(err, envelope.ErrNotEncrypted) || other != nil {
			t.Errorf("got %q, %v", other, err)
		}
		return
	}
	back, err := envelope.Convert(other)
	if err != nil || !bytes.Equal(back, value) {
		t.Fatalf("there and back: %q became %q, %v", value, back, err)
	}
	again, err := envelope.Describe(other)
	if err != nil || again.Header != described.Header || again.Counter != described.Counter || again.Format == described.Format {
		t.Errorf("described as %+v, then as %+v, %v", described, again, err)
	}
}

// Without this, conversion could change a record so that it no longer opens.
func TestConvertKeepsEveryByte(t *testing.T) {
	for _, record := range vectorRecords(t) {
		checkConversion(t, record)
	}
}

// Without this, a record that opens could be impossible to convert, or be described
// differently from what its reader gets.
func TestRecordsThatOpenConvert(t *testing.T) {
	for name, value := range everySerialization(t) {
		d, err := envelope.Describe(value)
		if name == "rsa" {
			if _, no := envelope.Convert(value); err != nil || d.Format != envelope.FormatRSA || d.Plaintext != -1 || !errors.Is(no, envelope.ErrNotEncrypted) {
				t.Errorf("rsa: %+v, %v, %v", d, err, no)
			}
			continue
		}
		msg, wrong := newOpener(t, key2048()).Open(nil, "t", value)
		if err != nil || wrong != nil || d.Topic != "t" || d.Plaintext != 5 || d.DataKey != msg.DataKey || d.Partition != 3 ||
			d.Signer != envelope.SigningKeyID(public(signingKey(1))) || d.Format != msg.Format || len(d.Needs) != len(msg.Needs) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// Without this, a user could not see what the JWE of another library contains.
func TestDescribeForeign(t *testing.T) {
	for name, record := range vectorRecords(t) {
		d, err := envelope.Describe(record)
		if !strings.HasPrefix(name, "others") || err != nil {
			continue
		}
		if d.Format != envelope.FormatJWE || !strings.Contains(d.Header, "RSA-OAEP-256") || d.Counted || d.DataKey != "" || d.Plaintext != 12 {
			t.Errorf("%s: %+v", name, d)
		}
		if (d.Topic != "") != strings.Contains(name, "topic") || (len(d.Needs) > 0) != (name == "others_kid" || name == "others_for_others") {
			t.Errorf("%s: topic %q, needs %v", name, d.Topic, d.Needs)
		}
		if _, err := envelope.Convert(record); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: converted, %v", name, err)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, record := range vectorRecords(f) {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, value []byte) { checkConversion(t, value) })
}

// FuzzOpenRecords checks what must hold for every value, whether it opens or not.
func FuzzOpenRecords(f *testing.F) {
	for _, record := range vectorRecords(f) {
		f.Add(record, "t")
	}
	text, err := os.ReadFile("testdata/keys/reader.pem")
	if err != nil {
		f.Fatal(err)
	}
	key, err := envelope.ParsePrivateKey(text)
	if err != nil {
		f.Fatal(err)
	}
	opener, none := newOpener(f, key), newOpener(f)
	f.Fuzz(func(t *testing.T, value []byte, topic string) {
		msg, err := opener.Open(nil, topic, value)
		if err != nil && (msg.Plaintext != nil || msg.KeyID != "" || msg.Counted || msg.Sender.State != envelope.SenderUnchecked) {
			t.Errorf("an error comes with %+v", msg)
		}
		if err == nil && (msg.Plaintext == nil || msg.KeyID == "" || msg.Sender.State == envelope.SenderUnchecked) {
			t.Errorf("opened as %+v", msg)
		}
		if len(msg.Needs) > 16 {
			t.Errorf("it needs %d keys", len(msg.Needs))
		}
		for _, id := range msg.Needs {
			if len(id) != 43 {
				t.Errorf("it needs the key %q", id)
			}
		}
		for _, same := range []error{envelope.ErrNotEncrypted, envelope.ErrMalformed} { // these do not depend on the keys
			if _, without := none.Open(nil, topic, value); errors.Is(err, same) != errors.Is(without, same) {
				t.Errorf("with a key %v, without %v", err, without)
			}
		}
	})
}

// Without this, standard tools could not read our records, or the way back would change
// them.
func TestConvert(t *testing.T) {
	for _, readers := range [][]*rsa.PrivateKey{{key2048()}, {key2048(), key3072()}} {
		value := testSealer{readers: readers, signing: signingKey(1)}.seal(t, "hello", 7)
		text, err := envelope.Convert(value)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := newOpener(t, key2048()).Open(nil, "t", text)
		if err != nil || string(msg.Plaintext) != "hello" || msg.Format != envelope.FormatJWE || msg.Partition != 7 {
			t.Errorf("%d readers: %v, %v", len(readers), msg, err)
		}
		back, err := envelope.Convert(text)
		if err != nil || string(back) != string(value) {
			t.Errorf("%d readers: converting there and back changed the record: %v", len(readers), err)
		}
	}
}
