package replay_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"kafka-e2ee/envelope"
	"kafka-e2ee/envelope/replay"
)

// The tracker flags a missing record, and a copy of the first one at offset 42.
func Example() {
	private, _ := rsa.GenerateKey(rand.Reader, 2048)       //nolint:errcheck // does not fail
	public, signing, _ := ed25519.GenerateKey(rand.Reader) //nolint:errcheck // does not fail
	sealer, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: "t", Readers: []*rsa.PublicKey{&private.PublicKey}, SigningKey: signing,
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

	require := envelope.Requirements{VerifiedSender: true, Fresh: true}
	opener := envelope.NewOpener(envelope.OpenerConfig{TrustedSenders: []envelope.TrustedSender{{Name: "alice", Key: public}}, Require: require})
	if err := opener.SetKeys(private); err != nil {
		fmt.Println(err)
		return
	}
	tracker := replay.NewTracker(replay.Config{Require: require})
	for i, value := range [][]byte{values[0], values[2], values[0]} {
		msg, err := opener.Open(nil, "t", value)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(tracker.Follow(&msg, replay.Position{Partition: 0, Offset: int64(40 + i)}))
	}
	// Output:
	// none <nil>
	// 1 missing before it <nil>
	// repeat of offset 40 <nil>
}
