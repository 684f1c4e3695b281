package envelope_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this a sender that keeps no message beside its record could not send it again once its data key has expired, and
// the message would be lost: also when the sealer uses another data key by then, for records of either kind.
func TestSealedRecordsCanBeOpenedBySender(t *testing.T) {
	for _, format := range []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE} {
		for name, message := range map[string]string{"empty": "", "short": "hello", "long": strings.Repeat("m", 100_000)} {
			sealer := testSealer{format: format, headers: envelope.HeaderPolicy{Records: 64}}.sealer(t)
			for n := range 3 {
				value, sealed, err := sealer.SealDated(nil, []byte(message), 0, false)
				if err != nil {
					t.Fatal(err)
				}
				if err := sealer.NewDataKey(); err != nil {
					t.Fatal(err)
				}
				if n == 1 { // a lean one
					if value, sealed, err = sealer.SealDated(value[:0], []byte(message), 0, false); err != nil {
						t.Fatal(err)
					}
				}
				before := bytes.Clone(value)
				got, err := sealed.Open([]byte("before "), value)
				if err != nil || string(got) != "before "+message || !bytes.Equal(value, before) {
					t.Errorf("%s, %s: got %d bytes, %v", format, name, len(got), err)
				}
				_, other, err := sealer.SealDated(nil, []byte(message), 0, false)
				if err != nil {
					t.Fatal(err)
				}
				value[len(value)-1] ^= 1 // in base64url, it may be no text any more
				for name, wrong := range map[string]struct {
					sealed envelope.Sealed
					value  []byte
				}{"another data key's": {other, before}, "a changed record": {sealed, value}, "none": {sealed, nil}, "plain": {sealed, []byte(message)}} {
					if n == 1 && name == "another data key's" {
						continue // it is the same one
					}
					if got, err := wrong.sealed.Open([]byte("before"), wrong.value); err == nil || string(got) != "before" || strings.Contains(err.Error(), "hello") {
						t.Errorf("%s: %s opens: %v", format, name, err)
					}
				}
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
					if text := fmt.Sprintf(verb, sealed); !strings.HasPrefix(text, "sealed, expires ") {
						t.Errorf("%s prints %s", verb, text)
					}
				}
			}
		}
	}
}
