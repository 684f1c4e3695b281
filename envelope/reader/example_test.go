package reader_test

import (
	"errors"
	"fmt"
	"iter"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/reader"
)

// example returns a reader for the topic "t" that trusts alice, and the values of n records that she sealed for it. Only the first
// contains the header.
func example(cfg reader.Config, n int) (*reader.Reader, [][]byte) {
	cfg.Topic, cfg.TrustedSenders = "t", trusted()
	r, err := reader.New(cfg)
	if err != nil {
		panic(err)
	}
	if err := r.SetKeys(key()); err != nil {
		panic(err)
	}
	return r, partition(sealer(nil), n)
}

// A consumer requires that records are from senders it trusts, that nobody else can read them, and that they were not held back.
func ExampleNew() {
	_, err := reader.New(reader.Config{
		Topic: "t", TrustedSenders: trusted(),
		Require: envelope.Requirements{VerifiedSender: true, HeldReaders: true, Fresh: true},
	})
	fmt.Println(err)
	// Output:
	// <nil>
}

// The flags of a message tell what is unusual about it. A bad record is an event, not a reason to stop.
func ExampleReader_Open() {
	r, values := example(reader.Config{}, 3)
	for offset, value := range [][]byte{values[0], values[2], []byte("hello"), values[0]} {
		msg, err := r.Open(reader.Record{Partition: 0, Offset: int64(offset), Value: value})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s from %s: %s\n", msg.Plaintext, msg.Sender.Name, msg.Flags)
	}
	// Output:
	// message 0 from alice: none
	// message 2 from alice: 1 missing before it
	// not encrypted
	// message 0 from alice: repeat of offset 0
}

// A program opens what it polled at once. The results are in the order of the records.
func ExampleReader_OpenBatch() {
	r, values := example(reader.Config{}, 2)
	records := []reader.Record{{Offset: 0, Value: values[0]}, {Offset: 1, Value: []byte("hello")}, {Offset: 2, Value: values[1]}}
	for i, result := range r.OpenBatch(records) {
		fmt.Printf("offset %d: %s, %v\n", records[i].Offset, result.Plaintext, result.Err)
	}
	// Output:
	// offset 0: message 0, <nil>
	// offset 1: , not encrypted
	// offset 2: message 1, <nil>
}

// A consumer that starts behind a header reads back for it, with a client of its own.
func ExampleReader_Open_readBack() {
	var values [][]byte
	r, values := example(reader.Config{ReadBack: func(_ int32, from, to int64) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for _, value := range values[from:to] {
				if !yield(value, nil) {
					return
				}
			}
		}
	}}, 8)
	msg, err := r.Open(reader.Record{Offset: 7, Value: values[7]})
	fmt.Println(string(msg.Plaintext), err)
	// Output:
	// message 7 <nil>
}

// During a rotation, a reader holds the old key and the new one.
func ExampleReader_SetKeys() {
	r, err := reader.New(reader.Config{Topic: "t"})
	if err != nil {
		fmt.Println(err)
		return
	}
	record := reader.Record{Value: partition(sealer(nil), 1)[0]}
	_, err = r.Open(record)
	fmt.Println(errors.Is(err, envelope.ErrNoKey))

	fmt.Println(r.SetKeys(newKey(), key()))
	msg, err := r.Open(record)
	fmt.Println(string(msg.Plaintext), err)
	// Output:
	// true
	// <nil>
	// message 0 <nil>
}

// What another member of the group reads in the meantime is not missing.
func ExampleReader_Revoked() {
	r, values := example(reader.Config{}, 10)
	for _, offset := range []int64{0, 1, 5} {
		if offset == 5 {
			r.Revoked(0) // the client's callback for a rebalance says so
		}
		msg, err := r.Open(reader.Record{Partition: 0, Offset: offset, Value: values[offset]})
		fmt.Println(offset, msg.Flags, err)
	}
	// Output:
	// 0 none <nil>
	// 1 none <nil>
	// 5 not followed before <nil>
}

// A page says which keys a reader holds.
func ExampleReader_Opener() {
	r, _ := example(reader.Config{}, 1)
	fmt.Println(len(r.Opener().KeyIDs()))
	// Output:
	// 1
}

// A program that sees that the topic was created again tells the tracker: offsets begin again, counters do not.
func ExampleReader_Tracker() {
	r, values := example(reader.Config{}, 1)
	record := reader.Record{Offset: 0, Value: values[0]}
	for range 2 {
		msg, err := r.Open(record)
		fmt.Println(msg.Flags, err)
		r.Tracker().TopicRecreated()
	}
	// Output:
	// none <nil>
	// repeat <nil>
}
