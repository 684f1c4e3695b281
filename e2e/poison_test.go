package e2e_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// poison makes a record that is not right, and the state that the page must show
// it in.
type poison struct {
	state string
	make  func() []byte
}

// noise is random bytes, of a random length up to most.
func noise(least, most int) []byte {
	b := make([]byte, least+rand.N(most-least+1))
	for i := range b {
		b[i] = byte(rand.N(256))
	}
	return b
}

// poisons are every kind of record that a reader has to refuse.
func poisons(t *testing.T, k keys) []poison {
	const text = "never to be shown"
	sealed := newSealer(t, k.key, "", envelope.FormatEnvelope, topic)
	jwe := newSealer(t, k.key, "", envelope.FormatJWE, topic)
	elsewhere := newSealer(t, k.key, "", envelope.FormatEnvelope, "another-topic")
	stranger := newSealer(t, newKey(t), "", envelope.FormatEnvelope, topic)
	damaged := func(record []byte, from int) []byte {
		record[from+rand.N(len(record)-from)] ^= byte(1 + rand.N(255))
		return record
	}
	return []poison{
		{"plain", func() []byte { return nil }},
		{"plain", func() []byte { return []byte{} }},
		{"plain", func() []byte { return append([]byte{0}, noise(0, 3000)...) }},
		{"plain", func() []byte { return []byte("plain text " + strings.Repeat("x", rand.N(1000))) }},
		{"malformed", func() []byte { return append([]byte{0xC1}, noise(0, 200)...) }},
		{"malformed", func() []byte {
			record := sealed(text, 0)
			return record[:1+rand.N(len(record)-len(text)-1)]
		}},
		{"malformed", func() []byte { return []byte(base64.RawURLEncoding.EncodeToString(noise(200, 250))) }},
		{"malformed", func() []byte {
			return []byte("eyJ" + strings.Repeat(".A"+base64.RawURLEncoding.EncodeToString(noise(0, 9)), 4))
		}},
		{"malformed", func() []byte { return append([]byte(`{"protected":"ey`), noise(0, 500)...) }},
		{"malformed", func() []byte { return []byte(strings.Replace(string(jwe(text, 0)), ".", ".=", 1)) }},
		{"undecryptable", func() []byte {
			record := sealed(text, 0)
			return damaged(record, len(record)-len(text)-16)
		}},
		{"undecryptable", func() []byte { return elsewhere(text, 0) }},
		{"unknown_key", func() []byte { return stranger(text, 0) }},
	}
}

// Without this anybody who may write could stop or fill a consumer, or hide good
// records between bad ones.
func TestPoisonTopic(t *testing.T) {
	const lap = 1000
	laps := 10
	if *everyFault {
		laps = 100
	}
	c, k := broker(t, 1), newKeys(t)
	p, process := startConsumer(t, c, k.sidecar)
	p.wait("the key is released", func() bool { return p.keyState() == "released" })
	kinds, good := poisons(t, k), newSealer(t, k.key, "", envelope.FormatEnvelope, topic)
	want := map[string]int{}
	var memory []float64
	sent := 0
	for n := range laps {
		messages := make([]*sarama.ProducerMessage, 0, lap+20)
		add := func(state string, value []byte) {
			m := &sarama.ProducerMessage{Topic: topic}
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
				add("decrypted", good(fmt.Sprint("message ", want["decrypted"]), 0))
			}
		}
		// A private-key operation for each: an attacker's dearest kind.
		add("undecryptable", []byte(base64.StdEncoding.EncodeToString(noise(384, 384))))
		send(t, c, messages)
		sent += len(messages)
		until(t, "all is read", func() bool { return read(p) >= sent })
		if n >= laps/2 {
			memory = append(memory, measured(t, p.metrics+"/metrics")["process_resident_memory_bytes"])
		}
	}
	if got := states(t, p); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records by state: got %v, want %v", got, want)
	}
	first, last := memory[0], memory[len(memory)-1]
	if last > first+figures["process_resident_memory_bytes"] {
		t.Errorf("memory grows from %.0f to %.0f bytes", first, last)
	}
	if !process.alive() {
		t.Error("the consumer ended")
	}
	text := fmt.Sprintf("%d records, %d of them good: all of these were opened, and each of the others was shown for what it is (%d plain, %d malformed, %d undecryptable, %d for an unknown key). The consumer's memory was %.0f MiB after half of them and %.0f MiB after all.\n",
		sent, want["decrypted"], want["plain"], want["malformed"], want["undecryptable"], want["unknown_key"], first/(1<<20), last/(1<<20))
	t.Log(text)
	if *everyFault && !t.Failed() {
		writeFigures(t, reliability, "poison", text)
	}
}

// states counts the records by the state in which they were first shown.
func states(t *testing.T, p *pod) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for line := range strings.Lines(string(p.get(p.metrics + "/metrics"))) {
		var state string
		var n float64
		if _, after, ok := strings.Cut(line, `e2ee_consumer_records_total{state="`); ok {
			state, after, _ = strings.Cut(after, `"`)
			if _, err := fmt.Sscanf(after[strings.Index(after, "}")+1:], "%g", &n); err != nil {
				t.Fatal(err)
			}
			if n > 0 { // every state is counted from 0 on
				counts[state] = int(n)
			}
		}
	}
	return counts
}
