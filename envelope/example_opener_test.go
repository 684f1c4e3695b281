package envelope_test

import (
	"errors"
	"fmt"
	"time"

	"kafka-e2ee/envelope"
)

// A reader that requires senders names those it trusts.
func ExampleNewOpener() {
	opener := envelope.NewOpener(envelope.OpenerConfig{
		TrustedSenders: must(envelope.ParseTrustedSenders(pemFile("trusted.pem"))),
		Require:        envelope.Requirements{VerifiedSender: true},
	})
	unsigned := must(sealerFor(key3072(), envelope.HeaderPolicy{}).Seal(nil, []byte("hello"), 0))
	_, err := opener.Open(nil, "t", unsigned)
	fmt.Println(errors.Is(err, envelope.ErrRejected))
	// Output:
	// true
}

// A bad record is an event, not a reason to stop.
func ExampleOpener_Open() {
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(key3072()); err != nil {
		fmt.Println(err)
		return
	}
	value := must(sealerFor(key3072(), envelope.HeaderPolicy{}).Seal(nil, []byte("hello"), 0))
	for _, topic := range []string{"t", "another"} {
		msg, err := opener.Open(nil, topic, value)
		switch {
		case err == nil:
			fmt.Println(string(msg.Plaintext), msg.Sender.State, msg.Sender.Reason)
		case errors.Is(err, envelope.ErrUnknownKey):
			fmt.Println("needs one of the keys", msg.Needs)
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// hello unverified unsigned
	// undecryptable record
}

// During a rotation, an opener holds the old key and the new one.
func ExampleOpener_SetKeys() {
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	fmt.Println(opener.SetKeys(key2048(), key3072()))
	fmt.Println(opener.SetKeys(nil) != nil) // nothing changes
	fmt.Println(len(opener.KeyIDs()))
	// Output:
	// <nil>
	// true
	// 2
}

// A program tells which keys it holds, never the keys.
func ExampleOpener_KeyIDs() {
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	err := opener.SetKeys(must(envelope.ParsePrivateKey(pemFile("reader.pem"))))
	fmt.Println(opener.KeyIDs(), err)
	// Output:
	// [o9UeZ-1YeiIunaE0mnwd-Y_fr1PNeQcgIwRAetFgr7c] <nil>
}

// A program tries a key before it uses it.
func ExampleOpener_WithKeys() {
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	trial, err := opener.WithKeys(key3072())
	if err != nil {
		fmt.Println(err)
		return
	}
	value := must(sealerFor(key3072(), envelope.HeaderPolicy{}).Seal(nil, []byte("hello"), 0))
	msg, err := trial.Open(nil, "t", value)
	fmt.Println(string(msg.Plaintext), err)
	_, err = opener.Open(nil, "t", value)
	fmt.Println(err)
	// Output:
	// hello <nil>
	// no key
}

// Another opener opens the lean records whose headers the first one has read.
func ExampleOpener_CopyHeaders() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	full, lean := must(sealer.Seal(nil, []byte("one"), 0)), must(sealer.Seal(nil, []byte("two"), 0))

	first := envelope.NewOpener(envelope.OpenerConfig{})
	_, err := first.Open(nil, "t", full)
	fmt.Println(err) // it keeps the header anyway

	second := envelope.NewOpener(envelope.OpenerConfig{})
	second.CopyHeaders(first)
	if err := second.SetKeys(key3072()); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := second.Open(nil, "t", lean)
	fmt.Println(string(msg.Plaintext), err)
	// Output:
	// no key
	// two <nil>
}

// A tool shows what a record says about itself. None of it is proven.
func ExampleDescribe() {
	d, err := envelope.Describe(must(sealerFor(key3072(), envelope.HeaderPolicy{}).Seal(nil, []byte("hello"), 2)))
	fmt.Println(d.Format, d.Topic, d.Partition, d.Counter, d.Plaintext, err)

	_, err = envelope.Describe([]byte("hello"))
	fmt.Println(errors.Is(err, envelope.ErrNotEncrypted))
	// Output:
	// envelope t 2 0 5 <nil>
	// true
}

// A program that passes records on to JOSE libraries makes lean ones full.
func ExampleAddHeader() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	full, lean := must(sealer.Seal(nil, []byte("one"), 0)), must(sealer.Seal(nil, []byte("two"), 0))
	second, err := envelope.AddHeader(lean, full)
	fmt.Println(must(envelope.Describe(second)).Lean, err)

	text, err := envelope.Convert(second)
	fmt.Println(string(text[:4]), err)
	// Output:
	// false <nil>
	// eyJh <nil>
}

// A reader that keeps lean records until their key comes keeps their headers with them.
func ExampleOpener_HeaderOf() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	full, lean := must(sealer.Seal(nil, []byte("one"), 0)), must(sealer.Seal(nil, []byte("two"), 0))

	opener := envelope.NewOpener(envelope.OpenerConfig{})
	fmt.Println(len(opener.HeaderOf(lean)))
	_, err := opener.Open(nil, "t", full)
	fmt.Println(len(opener.HeaderOf(lean)) > 400, err)
	// Output:
	// 0
	// true no key
}

// A record opens with the header that was kept with it, though the opener has not read it.
func ExampleOpener_OpenWith() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	full, lean := must(sealer.Seal(nil, []byte("one"), 0)), must(sealer.Seal(nil, []byte("two"), 0))
	before := envelope.NewOpener(envelope.OpenerConfig{})
	_, err := before.Open(nil, "t", full)
	header := before.HeaderOf(lean)
	fmt.Println(err)

	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(key3072()); err != nil {
		fmt.Println(err)
		return
	}
	msg, err := opener.OpenWith(nil, "t", lean, header)
	fmt.Println(string(msg.Plaintext), err)
	// Output:
	// no key
	// two <nil>
}

// A reader tries waiting records again when there are new headers, not for each record.
func ExampleOpener_HeadersLearned() {
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	before := opener.HeadersLearned()
	_, err := opener.Open(nil, "t", must(sealerFor(key3072(), envelope.HeaderPolicy{}).Seal(nil, []byte("hello"), 0)))
	fmt.Println(opener.HeadersLearned() > before, err)
	// Output:
	// true no key
}

// A program groups records that wait by the header that they need.
func ExampleLeanName() {
	sealer := sealerFor(key3072(), envelope.HeaderPolicy{Records: 64, Interval: time.Minute})
	full, lean := must(sealer.Seal(nil, []byte("one"), 0)), must(sealer.Seal(nil, []byte("two"), 0))
	_, ok := envelope.LeanName(full)
	fmt.Println(ok)
	name, ok := envelope.LeanName(lean)
	fmt.Println(name.String() == must(envelope.Describe(full)).HeaderName, ok)
	// Output:
	// false
	// true true
}

// A program counts the bytes of messages that it cannot open.
func ExampleMessageSize() {
	value := must(sealerFor(key3072(), envelope.HeaderPolicy{}).Seal(nil, []byte("hello"), 0))
	fmt.Println(envelope.MessageSize(value), envelope.MessageSize([]byte("hello")))
	// Output:
	// 5 -1
}
