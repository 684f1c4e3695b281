package interop_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"kafka-e2ee/envelope"
)

// oaepVectors holds the used parts of a file of Project Wycheproof.
type oaepVectors struct {
	NumberOfTests int
	TestGroups    []struct {
		PrivateKeyPem string
		Tests         []oaepVector
	}
}

type oaepVector struct {
	TcID           int `json:"tcId"`
	Comment        string
	Msg, Ct, Label hexBytes
	Result         string
}

type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// Without this a record of another program could be refused, or a record with an attack that is known to break readers
// could be accepted.
func TestWycheproof(t *testing.T) {
	for _, bits := range []int{2048, 3072, 4096} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			file, err := fs.ReadFile(wycheproof.TestVectors, fmt.Sprintf("rsa_oaep_%d_sha256_mgf1sha256_test.json", bits))
			if err != nil {
				t.Fatal(err)
			}
			var vectors oaepVectors
			if err := json.Unmarshal(file, &vectors); err != nil {
				t.Fatal(err)
			}
			records, labelled := 0, 0
			for _, group := range vectors.TestGroups {
				key, err := envelope.ParsePrivateKey([]byte(group.PrivateKeyPem))
				if err != nil {
					t.Fatal(err)
				}
				opener := envelope.NewOpener(envelope.OpenerConfig{})
				if err := opener.SetKeys(key); err != nil {
					t.Fatal(err)
				}
				for _, v := range group.Tests {
					if v.Result != "valid" && v.Result != "invalid" {
						t.Errorf("case %d: the result %q is not known here", v.TcID, v.Result)
					}
					v.checkLabel(t, key)
					if len(v.Label) > 0 {
						labelled++
					} else {
						records++
					}
					v.checkRecord(t, opener, key.Size())
				}
			}
			if records == 0 || labelled == 0 || records+labelled != vectors.NumberOfTests {
				t.Errorf("checked %d records and %d with a label, the file has %d", records, labelled, vectors.NumberOfTests)
			}
		})
	}
}

// checkRecord makes a record of the ciphertext. Labels are not part of the format: a ciphertext with one must not open.
func (v oaepVector) checkRecord(t *testing.T, opener *envelope.Opener, size int) {
	t.Helper()
	msg, err := opener.Open(nil, "vectors", []byte(base64.StdEncoding.EncodeToString(v.Ct)))
	var want error
	var plaintext []byte
	switch {
	case len(v.Ct) == 0:
		want = envelope.ErrNotEncrypted
	case len(v.Ct) != size:
		want = envelope.ErrMalformed
	case v.Result == "invalid" || len(v.Label) > 0:
		want = envelope.ErrUndecryptable
	default:
		plaintext = v.Msg
	}
	if !errors.Is(err, want) || !bytes.Equal(msg.Plaintext, plaintext) {
		t.Errorf("case %d (%s): got %x, %v, want %x, %v", v.TcID, v.Comment, msg.Plaintext, err, plaintext, want)
	}
}

// checkLabel checks every case against crypto/rsa, which supports labels.
func (v oaepVector) checkLabel(t *testing.T, key *rsa.PrivateKey) {
	t.Helper()
	got, err := rsa.DecryptOAEP(sha256.New(), nil, key, v.Ct, v.Label)
	if (err == nil) != (v.Result == "valid") || err == nil && !bytes.Equal(got, v.Msg) {
		t.Errorf("case %d (%s): crypto/rsa gives %x, %v, want %s", v.TcID, v.Comment, got, err, v.Result)
	}
}
