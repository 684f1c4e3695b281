package envelope_test

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"kafka-e2ee/envelope"
)

// sealerFor makes a sealer for the topic "t".
func sealerFor(private *rsa.PrivateKey, headers envelope.HeaderPolicy) *envelope.Sealer {
	return must(envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&private.PublicKey}, Headers: headers,
	}))
}

// A writer makes one sealer for a topic, at its start.
func ExampleNewSealer() {
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t",
		Readers:    must(envelope.ParsePublicKeys(publicPEM(key3072()))),
		SigningKey: must(envelope.ParseSigningKey(pemFile("alice.pem"))),
	})
	fmt.Println(sealer, err)

	_, err = envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatJWE, Topic: "t"})
	fmt.Println(err)
	// Output:
	// sealer of format envelope <nil>
	// making a sealer: got 0 public keys, format jwe takes 1
}

// A buffer of the right size saves the allocation.
func ExampleSealer_Seal() {
	sealer, message := sealerFor(key3072(), envelope.HeaderPolicy{}), []byte("hello")
	value, err := sealer.Seal(make([]byte, 0, sealer.Size(len(message))), message, 2) // it will be written to partition 2
	fmt.Println(len(value) == sealer.Size(len(message)), err)

	_, err = sealer.Seal(nil, make([]byte, envelope.MaxMessage+1), 2)
	fmt.Println(errors.Is(err, envelope.ErrTooLong))
	// Output:
	// true <nil>
	// true
}

// A record with a key in a compacted topic must not depend on the header of another one.
func ExampleSealer_SealFull() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	for range 2 {
		lean := must(sealer.Seal(nil, []byte("hello"), 0))
		full := must(sealer.SealFull(nil, []byte("hello"), 0))
		fmt.Println(must(envelope.Describe(lean)).Lean, must(envelope.Describe(full)).Lean)
	}
	// Output:
	// false false
	// true false
}

// What belongs to a record is kept beside it until the broker has stored it.
func ExampleSealer_SealDated() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{})
	value, sealed, err := sealer.SealDated(nil, []byte("hello"), 0, false)
	fmt.Println(len(value) == sealer.Size(5), time.Until(sealed.Expires()) > envelope.Hold, err)
	// Output:
	// true true <nil>
}

// A record that waited for the broker too long must not be sent any more.
func ExampleSealed_Expires() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{})
	_, sealed, err := sealer.SealDated(nil, []byte("hello"), 0, false)
	if time.Now().Before(sealed.Expires()) {
		fmt.Println("send", err)
	}
	// Output:
	// send <nil>
}

// Nobody has to keep the message in case it must be sealed again.
func ExampleSealed_Open() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{})
	value, sealed, err := sealer.SealDated(nil, []byte("hello"), 0, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := sealed.Open(nil, value)
	fmt.Printf("%s %v\n", message, err)
	// Output:
	// hello <nil>
}

// After a record was given up, the messages are sealed again under another data key.
func ExampleSealer_NewDataKey() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{})
	before := must(envelope.Describe(must(sealer.Seal(nil, []byte("hello"), 0))))
	err := sealer.NewDataKey()
	after := must(envelope.Describe(must(sealer.Seal(nil, []byte("hello"), 0))))
	fmt.Println(before.DataKey == after.DataKey, after.Counter, err)
	// Output:
	// false 0 <nil>
}

// After a record could not be sent, the next one contains the header again.
func ExampleSealer_RepeatHeader() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	for i := range 3 {
		if i == 2 {
			sealer.RepeatHeader()
		}
		fmt.Println(must(envelope.Describe(must(sealer.Seal(nil, []byte("hello"), 0)))).Lean)
	}
	// Output:
	// false
	// true
	// false
}

// A program checks the length of a message before it takes it.
func ExampleSealer_MaxPlaintext() {
	short := must(envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatRSA, Topic: "t", Readers: []*rsa.PublicKey{&key3072().PublicKey}}))
	fmt.Println(short.MaxPlaintext(), sealerFor(key3072(), envelope.HeaderPolicy{}).MaxPlaintext())
	// Output:
	// 318 16777216
}

// A program reckons how many records a batch of 1 MiB holds.
func ExampleSealer_Size() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{})
	fmt.Println(1<<20/sealer.Size(1024), sealer.Size(1024)-sealer.Size(0))
	// Output:
	// 688 1024
}

// No record is lean before the log has stored its header.
func ExampleSealer_Stored() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute, AwaitStored: true})
	for range 3 {
		value, sealed, err := sealer.SealDated(nil, []byte("hello"), 0, false)
		if err != nil {
			fmt.Println(err)
			return
		}
		d := must(envelope.Describe(value))
		fmt.Println(d.Lean)
		if d.Counter == 1 { // the client reports this one as stored
			sealer.Stored(sealed, 0)
		}
	}
	// Output:
	// false
	// false
	// true
}
