package faults_test

import (
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// poison makes a bad record. The page must show it in the state.
type poison struct {
	state string
	make  func() []byte
}

// poisons are every kind of record that a reader has to refuse.
func poisons(t *testing.T, k harness.Keys) []poison {
	const text = "never to be shown"
	sealed := harness.NewSealer(t, k.Private, "", envelope.FormatEnvelope, harness.Topic)
	jwe := harness.NewSealer(t, k.Private, "", envelope.FormatJWE, harness.Topic)
	elsewhere := harness.NewSealer(t, k.Private, "", envelope.FormatEnvelope, "another-topic")
	stranger := harness.NewSealer(t, harness.NewKey(t), "", envelope.FormatEnvelope, harness.Topic)
	damaged := func(record []byte, from int) []byte {
		record[from+rand.N(len(record)-from)] ^= byte(1 + rand.N(255))
		return record
	}
	lean := func(size int) []byte { // without its header; the IV starts with a partition that exists
		return slices.Concat([]byte{0xC1, 2}, harness.RandomBytes(16, 16), []byte{0}, harness.RandomBytes(size, size))
	}
	return []poison{
		{"tombstone", func() []byte { return nil }},
		{"plain", func() []byte { return []byte{} }},
		{"plain", func() []byte { return append([]byte{0}, harness.RandomBytes(0, 3000)...) }},
		{"plain", func() []byte { return []byte("plain text " + strings.Repeat("x", rand.N(1000))) }},
		{"malformed", func() []byte { return append([]byte{0xC1, byte(3 + rand.N(253))}, harness.RandomBytes(0, 200)...) }},
		{"malformed", func() []byte { return lean(rand.N(27)) }},
		{"needs_header", func() []byte { return lean(27 + rand.N(200)) }},
		{"malformed", func() []byte {
			record := sealed(text, 0)
			return record[:1+rand.N(len(record)-len(text)-1)]
		}},
		{"malformed", func() []byte { return []byte(base64.RawURLEncoding.EncodeToString(harness.RandomBytes(200, 250))) }},
		{"malformed", func() []byte {
			return []byte("eyJ" + strings.Repeat(".A"+base64.RawURLEncoding.EncodeToString(harness.RandomBytes(0, 9)), 4))
		}},
		{"malformed", func() []byte { return append([]byte(`{"protected":"ey`), harness.RandomBytes(0, 500)...) }},
		{"malformed", func() []byte { return []byte(strings.Replace(string(jwe(text, 0)), ".", ".=", 1)) }},
		{"undecryptable", func() []byte {
			record := sealed(text, 0)
			return damaged(record, len(record)-len(text)-16)
		}},
		{"undecryptable", func() []byte { return elsewhere(text, 0) }},
		{"unknown_key", func() []byte { return stranger(text, 0) }},
	}
}

// goodRecords seals records of which most are lean, unless -full-headers is set.
func goodRecords(t *testing.T, k harness.Keys) func(text string) []byte {
	h := headers()
	s, err := envelope.NewSealer(envelope.SealerConfig{
		Format: envelope.FormatEnvelope, Topic: harness.Topic, Readers: []*rsa.PublicKey{&k.Private.PublicKey},
		Headers: envelope.HeaderPolicy{Records: h.HeaderRecords, Interval: h.HeaderInterval},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) []byte {
		value, err := s.Seal(nil, []byte(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// Without this anybody with write access could stop a consumer, fill its memory, or hide good records between bad ones.
func TestPoisonTopic(t *testing.T) {
	const lap = 1000
	laps := 10
	if *everyFault {
		laps = 100
	}
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	p, process := harness.StartConsumer(t, c, k.Sidecar)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	kinds, good := poisons(t, k), goodRecords(t, k)
	want := map[string]int{}
	var memory []float64
	sent := 0
	for n := range laps {
		messages := make([]*sarama.ProducerMessage, 0, lap+20)
		add := func(state string, value []byte) {
			m := &sarama.ProducerMessage{Topic: harness.Topic}
			if value != nil {
				m.Value = sarama.ByteEncoder(value)
			}
			messages = append(messages, m)
			want[state]++
		}
		for i := range lap {
			kind := kinds[rand.N(len(kinds))]
			add(kind.state, kind.make())
			if i%100 == 0 {
				add("decrypted", good(fmt.Sprint("message ", want["decrypted"])))
			}
		}
		// It costs a private-key operation: the most expensive kind.
		add("undecryptable", []byte(base64.StdEncoding.EncodeToString(harness.RandomBytes(384, 384))))
		harness.Send(t, c, messages)
		sent += len(messages)
		harness.Eventually(t, "all records are read", func() bool { return p.RecordsRead() >= sent })
		if n >= laps/2 {
			memory = append(memory, harness.ResourceUse(t, p.Metrics+"/metrics")["process_resident_memory_bytes"])
		}
	}
	p.CheckCounts(want)
	first, last := memory[0], memory[len(memory)-1]
	if last > first+harness.ResourceTolerance["process_resident_memory_bytes"] {
		t.Errorf("memory grows from %.0f to %.0f bytes", first, last)
	}
	if !process.Alive() {
		t.Error("the consumer ended")
	}
	text := fmt.Sprintf("%d records, %d of them good: all of these were decrypted, and each of the others was shown in its state (%d plain, %d without a value, %d malformed, %d undecryptable, %d for an unknown key, %d without their header). The consumer's memory was %.0f MiB after half of them and %.0f MiB after all.\n",
		sent, want["decrypted"], want["plain"], want["tombstone"], want["malformed"], want["undecryptable"], want["unknown_key"], want["needs_header"], first/(1<<20), last/(1<<20))
	t.Log(text)
	if *everyFault && !t.Failed() {
		writeSection(t, "poison", text)
	}
}
