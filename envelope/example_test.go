package envelope_test

import (
	"crypto/rsa"
	"errors"
	"fmt"

	"kafka-e2ee/envelope"
)

func Example() {
	private := key3072() // stays where the messages are read

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
	_, err = opener.Open(nil, "t", value)
	fmt.Println(len(value), errors.Is(err, envelope.ErrNoKey))

	if err := opener.SetKeys(private); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := opener.Open(nil, "t", value)
	fmt.Println(string(msg.Plaintext), err)
	// Output:
	// 512 true
	// Msg 1: hello <nil>
}
