package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// FuzzForeignJSON compares the recognition of JWEs in JSON with encoding/json.
func FuzzForeignJSON(f *testing.F) {
	const headers = `"protected":"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ",`
	for _, text := range []string{
		"{" + headers + `"ciphertext":"AA","iv":"AA","tag":"AA"}`, `{"ciphertext":1}`, ` {"ciphertext" : "", "iv":"","tag":"","header":{"alg":"a","enc":"b"}} `,
		`{"x":[{"y":"\"}"}],"unprotected":{"alg":"a","enc":"b"},"ciphertext":"AA","iv":"AA","tag":"AA"}`,
		`{"recipients":[{"header":{"alg":"a","enc":"b"}},3],"ciphertext":"AA","iv":"AA","tag":"AA"}`,
	} {
		f.Add([]byte(text))
	}
	opener := newOpener(f, key2048())
	f.Fuzz(func(t *testing.T, value []byte) {
		_, err := opener.Open(nil, "t", value)
		if _, described := envelope.Describe(value); errors.Is(err, envelope.ErrUnsupported) != errors.Is(described, envelope.ErrUnsupported) {
			t.Errorf("opened: %v, described: %v", err, described)
		}
		var unsupported *envelope.UnsupportedError
		if !errors.As(err, &unsupported) || value[0] != '{' && value[0] > ' ' {
			return
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil {
			t.Fatal("recognized something that is not JSON")
		}
		for _, name := range []string{"ciphertext", "iv", "tag"} {
			if len(members[name]) < 2 || members[name][0] != '"' {
				t.Errorf("recognized without the member %s", name)
			}
		}
		if strings.ContainsFunc(unsupported.Alg+unsupported.Enc, func(r rune) bool { return r < '+' || r > 'z' }) || len(unsupported.Alg) > 32 || len(unsupported.Enc) > 32 {
			t.Errorf("shows %q and %q", unsupported.Alg, unsupported.Enc)
		}
	})
}

// Without this, an intact record with other algorithms would be called broken, and its
// reader would look for the cause in the wrong place.
func TestUnsupportedNamesTheAlgorithms(t *testing.T) {
	compact := func(header string) string {
		return textPart(header) + "." + textPart(string(make([]byte, 256))) + "." + textPart(string(make([]byte, 12))) + ".AAAA." + textPart(string(make([]byte, 16)))
	}
	for header, says := range map[string]string{
		`{"alg":"RSA-OAEP-256","enc":"A128GCM"}`:                             "encrypted with RSA-OAEP-256/A128GCM, which is not accepted here; wanted: RSA-OAEP-256/A256GCM",
		`{"alg":"RSA-OAEP","enc":"A256GCM"}`:                                 "encrypted with RSA-OAEP/A256GCM, which",
		`{"alg":"dir","enc":"A256CBC-HS512"}`:                                "encrypted with dir/A256CBC-HS512, which",
		`{"alg":"<script>","enc":"A128GCM"}`:                                 "encrypted with an algorithm that is not accepted here",
		`{"alg":"` + strings.Repeat("x", 33) + `","enc":"A128GCM"}`:          "encrypted with an algorithm that is not accepted here",
		`{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`:                 "zip or crit",
		`{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":["exp"],"exp":1}`:      "zip or crit",
		`{"alg":"\u001b[31m","enc":"A128GCM","x":"` + "\u202e" + `", "y":1}`: "encrypted with an algorithm that is not accepted here",
	} {
		value := []byte(compact(header))
		_, err := newOpener(t).Open(nil, "t", value)
		if !errors.Is(err, envelope.ErrUnsupported) || !errors.Is(err, envelope.ErrMalformed) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", header, err, says)
		}
		if _, err := envelope.Describe(value); !errors.Is(err, envelope.ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: described: %v, want %q", header, err, says)
		}
		if _, err := envelope.Convert(value); !errors.Is(err, envelope.ErrMalformed) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: converted: %v, want %q", header, err, says)
		}
	}
	flattened := []byte(`{ "ciphertext":"AA","iv":"AA","tag":"AA","encrypted_key":"AA","protected":"` + textPart(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`) + `" }`)
	for _, value := range [][]byte{flattened, append([]byte("\r\n"), flattened...)} {
		if msg, err := newOpener(t).Open(nil, "t", value); !errors.Is(err, envelope.ErrUnsupported) || !strings.Contains(err.Error(), "write the compact form") || msg.Format != envelope.FormatJWE {
			t.Errorf("JSON: %+v, %v", msg, err)
		}
	}
	document := bytes.Repeat([]byte(`{"a":"some document","iv":[1,2,{"ciphertexts":"x"}]},`), 1000)
	opener := newOpener(t)
	document = append(append([]byte("["), document...), "0]"...)
	if got := testing.AllocsPerRun(10, func() { _, _ = opener.Open(nil, "t", document) }); got != 0 { //nolint:errcheck // only the memory counts here
		t.Errorf("an ordinary document takes %v allocations", got)
	}
}
