package envelope_test

import (
	"crypto/rsa"
	"errors"
	"fmt"

	"kafka-e2ee/envelope"
)

// A writer that proves who it is, and a reader whose key comes later.
func Example() {
	private := key3072() // stays where the messages are read
	signing := signer(1) // stays with the writer
	trusted := []envelope.TrustedSender{{Name: "billing", Key: public(signing)}}

	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&private.PublicKey}, SigningKey: signing,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := sealer.Seal(nil, []byte("Msg 1: hello"), 2) // it will be written to partition 2
	if err != nil {
		fmt.Println(err)
		return
	}

	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: trusted})
	_, err = opener.Open(nil, "t", value)
	fmt.Println(errors.Is(err, envelope.ErrNoKey))

	if err := opener.SetKeys(private); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := opener.Open(nil, "t", value)
	fmt.Println(string(msg.Plaintext), err)
	fmt.Println(msg.Sender.State, msg.Sender.Name, msg.Partition, msg.Counter)
	// Output:
	// true
	// Msg 1: hello <nil>
	// verified billing 2 0
}

// The format rsa holds short messages, and is what other programs speak.
func Example_rsa() {
	private := key3072()
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatRSA, Topic: "t", Readers: []*rsa.PublicKey{&private.PublicKey},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := sealer.Seal(nil, []byte("Msg 1: hello"), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(private); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := opener.Open(nil, "t", value)
	fmt.Println(len(value), string(msg.Plaintext), err)
	// Output:
	// 512 Msg 1: hello <nil>
}

// Somebody wrote the first record once more, at offset 42.
func ExampleTracker() {
	private := key2048()
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&private.PublicKey},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var values [3][]byte
	for i := range values {
		if values[i], err = sealer.Seal(nil, []byte("hello"), 0); err != nil {
			fmt.Println(err)
			return
		}
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(private); err != nil {
		fmt.Println(err)
		return
	}
	tracker := envelope.NewTracker(1000)
	for i, value := range [][]byte{values[0], values[2], values[0]} {
		msg, err := opener.Open(nil, "t", value)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(tracker.Follow(msg, 0, int64(40+i)))
	}
	// Output:
	// none
	// 1 missing before it
	// repeat of offset 40
}

// A record in binary becomes the text that every JOSE library reads, and comes
// back as it was.
func ExampleConvert() {
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&key2048().PublicKey},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := sealer.Seal(nil, []byte("hello"), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := envelope.Convert(value)
	fmt.Println(string(text[:9]), err)
	back, err := envelope.Convert(text)
	fmt.Println(string(back) == string(value), err)
	// Output:
	// eyJhbGciO <nil>
	// true <nil>
}

// The name of a sender stands before its key.
func ExampleParseTrustedSenders() {
	senders, err := envelope.ParseTrustedSenders([]byte(`
# billing, Zurich
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(senders[0].Name, envelope.SigningKeyID(senders[0].Key))
	// Output:
	// billing, Zurich kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
}
