package e2e_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
	"kafka-e2ee/skrclient/skrtest"
)

// sealed are the formats that can tell a sender, and count their records.
var sealed = []envelope.Format{envelope.FormatEnvelope, envelope.FormatJWE}

func eachSealed(t *testing.T, test func(t *testing.T, format envelope.Format)) {
	for _, format := range sealed {
		t.Run(string(format), func(t *testing.T) { test(t, format) })
	}
}

// produced runs the producer with so many messages.
func produced(t testing.TB, c *kfake.Cluster, public, signing string, format envelope.Format, message string, count uint64) {
	t.Helper()
	sum, err := producer.Run(context.Background(), producer.Config{
		Settings: kafkaconf.Settings{Brokers: c.ListenAddrs()}, Topic: topic, Format: format,
		PublicKey: public, SigningKeyFile: signing, Message: message, Count: count,
	}, producer.Build{}, nil, slog.New(slog.DiscardHandler))
	if err != nil || sum.Acknowledged != count {
		t.Fatalf("%+v, %v", sum, err)
	}
}

// newSealer seals as the producer does, for tests that choose what becomes of the records.
func newSealer(t testing.TB, key *rsa.PrivateKey, signing string, format envelope.Format, topic string) func(text string, partition int32) []byte {
	t.Helper()
	var signer ed25519.PrivateKey
	if signing != "" {
		text, err := os.ReadFile(signing)
		if err != nil {
			t.Fatal(err)
		}
		if signer, err = envelope.ParseSigningKey(text); err != nil {
			t.Fatal(err)
		}
	}
	s, err := envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: topic, Readers: []*rsa.PublicKey{&key.PublicKey}, SigningKey: signer})
	if err != nil {
		t.Fatal(err)
	}
	return func(text string, partition int32) []byte {
		value, err := s.Seal(nil, []byte(text), partition)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// told is what the page says of each record: its text or state, and its flags.
func told(records []record) string {
	lines := make([]string, len(records))
	for i, r := range records {
		what := r.Value
		if r.State != "decrypted" && r.State != "plain" {
			what = r.State
		}
		lines[i] = fmt.Sprintf("%d/%d %s %s", r.Partition, r.Offset, what, strings.Join(r.Flags, ","))
	}
	return strings.Join(lines, "\n")
}

// Without this a viewer could not tell who wrote a record, or would be told wrongly.
func TestSenders(t *testing.T) {
	t.Parallel()
	eachSealed(t, func(t *testing.T, format envelope.Format) {
		c, k := broker(t, 2), newKeys(t)
		_, strangers := newSender(t, "somebody else")
		for name, test := range map[string]struct {
			signing, trusted string
			state, words     string
		}{
			"verified":         {k.signing, k.trusted, "verified", "From " + senderName},
			"nobody trusted":   {k.signing, "", "unverified", "Set TRUSTED_SENDERS_FILE."},
			"another trusted":  {k.signing, strangers, "untrusted", "Signed by an unknown key"},
			"not signed":       {"", k.trusted, "unverified", "Unsigned"},
			"nothing whatever": {"", "", "unverified", "Unsigned"},
		} {
			produced(t, c, k.public, test.signing, format, name, 5)
			cfg := settings(t, c.ListenAddrs(), k.sidecar)
			cfg.Group, cfg.TrustedSendersFile = name, test.trusted
			p := consume(t, cfg)
			p.wait("the records are read", func() bool { return strings.Count(fmt.Sprint(p.records()), ": "+name) == 5 })
			for _, r := range p.records() {
				if !strings.HasSuffix(r.Value, ": "+name) {
					continue // of an earlier case
				}
				if r.Sender.State != test.state || !strings.Contains(r.Sender.Reason, test.words) || (r.Sender.Name != "") != (test.state == "verified") || len(r.Flags) > 0 {
					t.Errorf("%s: the sender of %q is %+v, flags %v", name, r.Value, r.Sender, r.Flags)
				}
			}
			if metrics := string(p.get(p.metrics + "/metrics")); !strings.Contains(metrics, `e2ee_consumer_senders_total{sender="`+test.state+`"}`) || strings.Contains(metrics, senderName) {
				t.Errorf("%s: the metrics do not count the senders, or name one", name)
			}
			p.stop()
		}
	})
}

// tampered writes what an operator of Kafka could do with records, and returns what the page must say.
func tampered(t *testing.T, c *kfake.Cluster, k keys, format envelope.Format) string {
	t.Helper()
	seal := newSealer(t, k.key, k.signing, format, topic)
	elsewhere := newSealer(t, k.key, k.signing, format, "another-topic")
	var zero [6][]byte
	for i := range zero {
		zero[i] = seal(fmt.Sprintf("m%d", i), 0)
	}
	other := seal("for one", 1)
	write(t, c, 0, zero[0], zero[1], zero[0], zero[4], zero[3], elsewhere("copied", 0), nil, []byte("plain text"), zero[5], other, zero[1])
	return strings.Join([]string{
		"0/0 m0 ", "0/1 m1 ", "0/2 m0 repeat", "0/3 m4 gap", "0/4 m3 late", "0/5 undecryptable ",
		"0/6  ", "0/7 plain text ", "0/8 m5 ", "0/9 for one moved", "0/10 m1 repeat",
	}, "\n")
}

// Without this a record that was replayed, withheld, moved or copied would look like any other.
func TestTamperingIsShown(t *testing.T) {
	t.Parallel()
	eachSealed(t, func(t *testing.T, format envelope.Format) {
		c, k := broker(t, 2), newKeys(t)
		p := consume(t, settings(t, c.ListenAddrs(), k.sidecar))
		p.wait("the key is there", func() bool { return p.keyState() == "released" })
		want := tampered(t, c, k, format)
		p.wait("all is read", func() bool { return len(p.records()) == 11 })
		if got := told(p.records()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		metrics := string(p.get(p.metrics + "/metrics"))
		for flag, n := range map[string]int{"repeat": 2, "gap": 1, "late": 1, "moved": 1, "unbound": 0} {
			if line := fmt.Sprintf("e2ee_consumer_flags_total{flag=%q} %d\n", flag, n); !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %q", line)
			}
		}
		if !strings.Contains(string(p.get(p.page)), "Seen before at offset 0: a retry or a replay.") {
			t.Error("the page does not say what a repeat is")
		}
	})
}

// Without this flags would be made up, or missing, where the key comes after the records.
func TestLateKeyJudgesInOrder(t *testing.T) {
	t.Parallel()
	eachSealed(t, func(t *testing.T, format envelope.Format) {
		c, k := broker(t, 2), newKeys(t)
		s, url := sidecar(t, k.key)
		s.Refuse(skrtest.RefusalPolicy)
		cfg := settings(t, c.ListenAddrs(), url)
		cfg.TrustedSendersFile = k.trusted
		p := consume(t, cfg)
		want := tampered(t, c, k, format)
		for i := range 100 { // of the format rsa, which are opened in another order
			write(t, c, 1, encrypt(t, k.key, fmt.Sprintf("rsa %d", i)))
		}
		for _, r := range p.waitStates(map[string]int{"no_key": 108, "plain": 2, "undecryptable": 1}) {
			if r.Sender.State != "unchecked" || len(r.Flags) > 0 {
				t.Fatalf("judged before it was opened: %+v", r)
			}
		}
		s.Behave(skrtest.Release)
		var first []record
		for _, r := range p.waitStates(map[string]int{"decrypted": 108, "plain": 2, "undecryptable": 1}) {
			if r.Partition == 0 {
				first = append(first, r)
				if r.State == "decrypted" && r.Sender.State != "verified" {
					t.Errorf("the sender of %q is %+v", r.Value, r.Sender)
				}
			}
		}
		if got := told(first); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// Without this records that any JOSE library wrote would not open, or would pass for bound to their topic.
func TestJWEOfOthers(t *testing.T) {
	t.Parallel()
	c, k := broker(t, 1), newKeys(t)
	p := consume(t, settings(t, c.ListenAddrs(), k.sidecar))
	values := make([][]byte, 2)
	for i, header := range []map[jose.HeaderKey]any{{}, {"topic": topic}} {
		opts := jose.EncrypterOptions{ExtraHeaders: header}
		enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: &k.key.PublicKey}, &opts)
		if err != nil {
			t.Fatal(err)
		}
		jwe, err := enc.Encrypt([]byte("from another language"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwe.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		values[i] = []byte(text)
	}
	write(t, c, 0, values[0], values[1], values[1])
	want := "0/0 from another language unbound\n0/1 from another language \n0/2 from another language "
	if got := told(p.waitStates(map[string]int{"decrypted": 3})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Without this a new key pair would need a restart of every pod.
func TestRotationNeedsNoRestart(t *testing.T) {
	t.Parallel()
	eachSealed(t, func(t *testing.T, format envelope.Format) {
		c, old, next := broker(t, 1), newKey(t), newKey(t)
		s, url := sidecar(t, old)
		p := consume(t, settings(t, c.ListenAddrs(), url))
		before, after := newSealer(t, old, "", format, topic), newSealer(t, next, "", format, topic)
		write(t, c, 0, before("one", 0))
		p.waitStates(map[string]int{"decrypted": 1})
		// The producer is first; the vault has the new key when it is asked again.
		if err := s.SetKey(keyName, next); err != nil {
			t.Fatal(err)
		}
		asked := s.Requests()
		write(t, c, 0, after("two", 0), after("three", 0), before("four", 0))
		got := p.waitStates(map[string]int{"decrypted": 4})
		if told(got) != "0/0 one \n0/1 two \n0/2 three \n0/3 four " {
			t.Errorf("got\n%s", told(got))
		}
		if got[1].KeyID != envelope.KeyID(&next.PublicKey) || got[3].KeyID != envelope.KeyID(&old.PublicKey) {
			t.Error("the records do not name the keys that opened them")
		}
		// Names are chosen by whoever writes: records for keys that nobody has must not keep the sidecar busy.
		for range 5 {
			write(t, c, 0, newSealer(t, newKey(t), "", format, topic)("for nobody here", 0))
		}
		p.waitStates(map[string]int{"decrypted": 4, "unknown_key": 5})
		if n := s.Requests() - asked; n > 2 {
			t.Errorf("the sidecar was asked %d times", n)
		}
	})
}

// Without this a restart or a rebalance would raise false alarms.
func TestNoFalseFlagsAfterRestartAndRebalance(t *testing.T) {
	t.Parallel()
	c, k := broker(t, 4), newKeys(t)
	seal := newSealer(t, k.key, k.signing, envelope.FormatEnvelope, topic)
	n := 0
	some := func(count int) {
		for range count {
			n++
			write(t, c, int32(n%4), seal(fmt.Sprint("message ", n), int32(n%4)))
		}
	}
	cfg := func() consumer.Config {
		cfg := settings(t, c.ListenAddrs(), k.sidecar)
		cfg.TrustedSendersFile, cfg.WebHistory = k.trusted, 20
		return cfg
	}
	check := func(p *pod) {
		t.Helper()
		for _, r := range p.records() {
			if len(r.Flags) > 0 || r.Sender.State != "verified" {
				t.Errorf("%s from %+v", told([]record{r}), r.Sender)
			}
		}
	}
	holds := func(p *pod, last int) func() bool {
		return func() bool { return strings.Contains(fmt.Sprint(p.records()), fmt.Sprintf("message %d ", last)) }
	}
	first := consume(t, cfg())
	some(60)
	first.wait("the first read all", func() bool { return read(first) >= 60 })
	check(first)
	first.stop()

	again := consume(t, cfg())
	again.wait("the history is back", func() bool { return len(again.records()) == 20 })
	some(20)
	again.wait("it reads on", func() bool { return read(again) >= 40 })
	check(again)

	second := consume(t, cfg())
	second.wait("the second got partitions", func() bool { return strings.Contains(second.log.String(), "reading") })
	some(200)
	again.wait("both together read all", func() bool { return read(again)+read(second) >= 240 })
	check(again)
	check(second)
	second.stop()
	some(40)
	again.wait("one reads all again", holds(again, n))
	check(again)
	if metrics := string(again.get(again.metrics + "/metrics")); strings.Contains(metrics, `e2ee_consumer_flags_total{flag="gap"} 1`) {
		t.Error("a gap was counted")
	}
}

// Without this the page would be wrong for those who read it as JSON.
func TestSenderInTheAPIHasItsShape(t *testing.T) {
	c, k := broker(t, 1), newKeys(t)
	cfg := settings(t, c.ListenAddrs(), k.sidecar)
	cfg.TrustedSendersFile = k.trusted
	p := consume(t, cfg)
	produced(t, c, k.public, k.signing, envelope.FormatEnvelope, "hello", 1)
	p.waitStates(map[string]int{"decrypted": 1})
	var answer struct{ Records []map[string]json.RawMessage }
	if err := json.Unmarshal(p.get(p.page+"/api/records"), &answer); err != nil {
		t.Fatal(err)
	}
	var sender map[string]string
	if err := json.Unmarshal(answer.Records[0]["sender"], &sender); err != nil || len(sender) != 4 || sender["state"] != "verified" || sender["name"] != senderName || len(sender["key_id"]) != 43 || sender["reason"] == "" {
		t.Errorf("sender: %s, %v", answer.Records[0]["sender"], err)
	}
	if flags := string(answer.Records[0]["flags"]); flags != "[]" {
		t.Errorf("flags: %s", flags)
	}
}
