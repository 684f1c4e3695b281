package envelope_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"kafka-e2ee/envelope"
)

// must leaves out the handling of errors from the examples. A program does not: it stops if its keys cannot be read.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// pemFile reads a key that is in this repository, so that everybody knows it.
func pemFile(name string) []byte { return must(os.ReadFile("testdata/keys/" + name)) }

func publicPEM(keys ...*rsa.PrivateKey) (text []byte) {
	for _, key := range keys {
		der := must(x509.MarshalPKIXPublicKey(&key.PublicKey))
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return text
}

// A reader parses its key from a file that only it can read.
func ExampleParsePrivateKey() {
	private, err := envelope.ParsePrivateKey(pemFile("reader.pem"))
	fmt.Println(private.N.BitLen(), err)

	_, err = envelope.ParsePrivateKey([]byte("hello"))
	fmt.Println(err)
	// Output:
	// 2048 <nil>
	// parsing private key: not PEM (hint: the text starts with -----BEGIN)
}

// A writer for two readers gets their keys in one text.
func ExampleParsePublicKeys() {
	readers, err := envelope.ParsePublicKeys(publicPEM(key2048(), key3072()))
	fmt.Println(len(readers), readers[1].N.BitLen(), err)
	// Output:
	// 2 3072 <nil>
}

// A sender parses the key that proves who it is.
func ExampleParseSigningKey() {
	signing, err := envelope.ParseSigningKey(pemFile("alice.pem"))
	fmt.Println(len(signing), err)
	// Output:
	// 64 <nil>
}

// A key has the same id in every program: its JWK thumbprint.
func ExampleKeyID() {
	private := must(envelope.ParsePrivateKey(pemFile("reader.pem")))
	fmt.Println(envelope.KeyID(&private.PublicKey))
	// Output:
	// o9UeZ-1YeiIunaE0mnwd-Y_fr1PNeQcgIwRAetFgr7c
}

// Readers can require the ids of certain senders.
func ExampleSigningKeyID() {
	signing := must(envelope.ParseSigningKey(pemFile("alice.pem")))
	fmt.Println(envelope.SigningKeyID(public(signing)))
	// Output:
	// rKR5med1HbA4V0zdrPEGERa46dqqls7UmpNeWgHHuKk
}

// A setting contains ids with commas between them.
func ExampleParseKeyIDs() {
	ids, err := envelope.ParseKeyIDs("o9UeZ-1YeiIunaE0mnwd-Y_fr1PNeQcgIwRAetFgr7c, rKR5med1HbA4V0zdrPEGERa46dqqls7UmpNeWgHHuKk")
	fmt.Println(len(ids), err)

	_, err = envelope.ParseKeyIDs("alice")
	fmt.Println(err != nil)
	// Output:
	// 2 <nil>
	// true
}

// A setting names the formats to accept.
func ExampleRequirements_ParseFormats() {
	var require envelope.Requirements
	err := require.ParseFormats("envelope,jwe")
	fmt.Println(require.Formats, err)
	// Output:
	// [envelope jwe] <nil>
}

// A setting accepts every trusted sender.
func ExampleRequirements_ParseSenders() {
	var require envelope.Requirements
	err := require.ParseSenders("verified")
	fmt.Println(require.VerifiedSender, err)
	// Output:
	// true <nil>
}

// A setting accepts one more reader than those whose keys the program holds.
func ExampleRequirements_ParseReaders() {
	var require envelope.Requirements
	err := require.ParseReaders("held,o9UeZ-1YeiIunaE0mnwd-Y_fr1PNeQcgIwRAetFgr7c")
	fmt.Println(require.HeldReaders, len(require.ReaderIDs), err)
	// Output:
	// true 1 <nil>
}

// A program finds out at its start that no record could satisfy what it requires.
func ExampleOpenerConfig_Validate() {
	cfg := envelope.OpenerConfig{Require: envelope.Requirements{VerifiedSender: true}} // and nobody is trusted
	fmt.Println(cfg.Validate())
	// Output:
	// checking the requirements: a sender is required, but nobody is trusted
}
