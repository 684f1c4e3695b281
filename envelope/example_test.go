package envelope_test

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"iter"
	"time"

	"kafka-e2ee/envelope"
)

// A writer signs its records, and the reader gets its key later.
func Example() {
	private := key3072()     // stays where the messages are read
	signing := signingKey(1) // stays with the writer
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

// The format rsa holds short messages and works with existing programs.
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

// A binary record becomes text that every JOSE library reads, and back.
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

// The name of each sender stands in the lines before its key.
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

// Most records name their header instead of repeating it. A reader that starts behind the
// header reads back for it.
func ExampleOpener_FindHeaders() {
	private := key3072()
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&private.PublicKey},
		Headers: envelope.HeaderPolicy{Records: 64, Interval: time.Minute},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var partition [][]byte
	for _, text := range []string{"one", "two", "three"} {
		value, err := sealer.Seal(nil, []byte(text), 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		partition = append(partition, value)
	}
	read := func(from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for _, value := range partition[from:to] {
				if !yield(value, nil) {
					return
				}
			}
		}
	}

	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(private); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := opener.Open(nil, "t", partition[2])
	if needs, lean := errors.AsType[*envelope.NeedsHeaderError](err); lean {
		fmt.Println(len(partition[2]) - len("three"))
		if err := opener.FindHeaders(envelope.HeaderSearch{Topic: "t", Names: []envelope.HeaderName{needs.Name}, Offset: 2, Read: read}); err != nil {
			fmt.Println(err) // for example envelope.ErrHeaderLost
			return
		}
		msg, err = opener.Open(nil, "t", partition[2])
	}
	fmt.Println(string(msg.Plaintext), msg.Counter, err)
	// Output:
	// 46
	// three 2 <nil>
}
