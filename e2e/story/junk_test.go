package story_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// Without this a few hundred junk records a second would keep a consumer with a small CPU limit behind for ever: each would
// cost a private-key operation. With REQUIRE_SENDER, even one that forges a trusted sender's signature costs no more than
// to verify it. BenchmarkJunk measures the backlog.
func TestJunkFloodCostsNoPrivateKeyOperations(t *testing.T) {
	const junk = 3000
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	text, err := os.ReadFile(k.Trusted)
	if err != nil {
		t.Fatal(err)
	}
	senders, err := envelope.ParseTrustedSenders(text)
	if err != nil {
		t.Fatal(err)
	}
	reader, sender := envelope.KeyID(&k.Private.PublicKey), envelope.SigningKeyID(senders[0].Key)
	p, _ := harness.StartConsumer(t, c, k.Sidecar, "TRUSTED_SENDERS="+string(text), "REQUIRE_SENDER=verified")
	seal := harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	harness.Write(t, c, 0, seal("before", 0))
	p.WaitStates(map[string]int{"decrypted": 1})

	operation := privateKeyOperation(k.Private)
	sent := 1
	for kind, record := range map[string]func() []byte{
		"rsa":      harness.RSAJunk,
		"unsigned": func() []byte { return harness.EnvelopeJunk(reader, "") },
		"forged":   func() []byte { return harness.EnvelopeJunk(reader, sender) },
	} {
		behind := "behind the junk: " + kind
		before := p.ProcessorSeconds()
		for range junk / 500 {
			values := make([][]byte, 500) // fit a batch
			for i := range values {
				values[i] = record()
			}
			harness.Write(t, c, 0, values...)
		}
		harness.Write(t, c, 0, seal(behind, 0))
		sent += junk + 1
		harness.Eventually(t, "all is read", func() bool { return p.RecordsRead() >= sent })
		used := p.ProcessorSeconds() - before
		p.Wait("the record behind the junk is shown", func() bool {
			newest := p.Newest()
			return newest.Value == behind && len(newest.Flags) == 0
		})
		if limit := junk * operation.Seconds() / 3; used > limit {
			t.Errorf("%s: %d records took %.2f s of the processor; a third of as many private-key operations is %.2f s", kind, junk, used, limit)
		}
		t.Logf("%s: %d records took %.2f s of the processor; as many private-key operations are %.2f s", kind, junk, used, junk*operation.Seconds())
	}
	p.CheckCounts(map[string]int{"rejected": 3 * junk, "decrypted": 4})
}

// privateKeyOperation measures one.
func privateKeyOperation(key *rsa.PrivateKey) time.Duration {
	const count = 50
	block := make([]byte, key.Size())
	start := time.Now()
	for i := range count {
		block[1] = byte(i)
		_, _ = rsa.DecryptOAEP(sha256.New(), nil, key, block, nil) //nolint:errcheck // it fails, and costs the same
	}
	return time.Since(start) / count
}
