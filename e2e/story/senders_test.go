package story_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient/skrtest"
)

// shownText returns what the page shows of each record: its text or state, and its flags.
func shownText(records []harness.Record) string {
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

// Without this a viewer could not tell who wrote a record, or would be told the wrong name.
func TestSenders(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		c, k := harness.Broker(t, 2), harness.NewKeys(t)
		_, strangers := harness.NewSender(t, "somebody else")
		for name, test := range map[string]struct {
			signing, trusted string
			state, words     string
		}{
			"verified":         {k.Signing, k.Trusted, "verified", harness.SenderName + ": the signature was verified."},
			"nobody trusted":   {k.Signing, "", "unverified", "Set TRUSTED_SENDERS."},
			"another trusted":  {k.Signing, strangers, "untrusted", "Signed by an unknown key"},
			"not signed":       {"", k.Trusted, "unverified", "Unsigned"},
			"nothing whatever": {"", "", "unverified", "Unsigned"},
		} {
			harness.Produce(t, c, k.Public, test.signing, format, name, 5)
			cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
			cfg.Group, cfg.TrustedSendersFile = name, test.trusted
			p := harness.Consume(t, cfg)
			p.Wait("the records are read", func() bool { return strings.Count(fmt.Sprint(p.Records()), ": "+name) == 5 })
			for _, r := range p.Records() {
				if !strings.HasSuffix(r.Value, ": "+name) {
					continue // of an earlier case
				}
				if r.Sender.State != test.state || !strings.Contains(r.Sender.Reason, test.words) || (r.Sender.Name != "") != (test.state == "verified") || len(r.Flags) > 0 {
					t.Errorf("%s: the sender of %q is %+v, flags %v", name, r.Value, r.Sender, r.Flags)
				}
			}
			if metrics := string(p.Get(p.Metrics + "/metrics")); !strings.Contains(metrics, `e2ee_consumer_senders_total{sender="`+test.state+`",topic="`+harness.Topic+`"}`) || strings.Contains(metrics, harness.SenderName) {
				t.Errorf("%s: the metrics do not count the senders, or name one", name)
			}
			p.Stop()
		}
	})
}

// tampered writes what a Kafka operator could do with records, and returns what the page must show.
func tampered(t *testing.T, c *kfake.Cluster, k harness.Keys, format envelope.Format) string {
	t.Helper()
	seal := harness.NewSealer(t, k.Private, k.Signing, format, harness.Topic)
	elsewhere := harness.NewSealer(t, k.Private, k.Signing, format, "another-topic")
	var zero [6][]byte
	for i := range zero {
		zero[i] = seal(fmt.Sprintf("m%d", i), 0)
	}
	other := seal("for one", 1)
	harness.Write(t, c, 0, zero[0], zero[1], zero[0], zero[4], zero[3], elsewhere("copied", 0), nil, []byte("plain text"), zero[5], other, zero[1])
	return strings.Join([]string{
		"0/0 m0 ", "0/1 m1 ", "0/2 m0 repeat", "0/3 m4 gap", "0/4 m3 late", "0/5 undecryptable ",
		"0/6 tombstone ", "0/7 plain text ", "0/8 m5 ", "0/9 for one moved", "0/10 m1 repeat",
	}, "\n")
}

// Without this a replayed, withheld, moved or copied record would look like any other.
func TestTamperingIsShown(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		c, k := harness.Broker(t, 2), harness.NewKeys(t)
		p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), k.Sidecar))
		p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
		want := tampered(t, c, k, format)
		p.Wait("all records are read", func() bool { return len(p.Records()) == 11 })
		if got := shownText(p.Records()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		metrics := string(p.Get(p.Metrics + "/metrics"))
		for flag, n := range map[string]int{"repeat": 2, "gap": 1, "late": 1, "moved": 1, "unbound": 0} {
			if line := fmt.Sprintf("e2ee_consumer_flags_total{flag=%q,topic=%q} %d\n", flag, harness.Topic, n); !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %q", line)
			}
		}
		if !strings.Contains(string(p.Get(p.Page)), "Seen before at offset 0: a retry or a replay.") {
			t.Error("the page does not say what a repeat is")
		}
	})
}

// Without this flags would be wrong or missing if the key arrives after the records.
func TestLateKeyChecksInOrder(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		c, k := harness.Broker(t, 2), harness.NewKeys(t)
		s, url := harness.Sidecar(t, k.Private)
		s.Refuse(skrtest.RefusalPolicy)
		cfg := harness.Settings(t, c.ListenAddrs(), url)
		cfg.TrustedSendersFile = k.Trusted
		p := harness.Consume(t, cfg)
		want := tampered(t, c, k, format)
		for i := range 100 { // in the format rsa, which is decrypted in another order
			harness.Write(t, c, 1, harness.Encrypt(t, k.Private, fmt.Sprintf("rsa %d", i)))
		}
		for _, r := range p.WaitStates(map[string]int{"no_key": 108, "plain": 1, "tombstone": 1, "undecryptable": 1}) {
			if r.Sender.State != "unchecked" || len(r.Flags) > 0 {
				t.Fatalf("flagged before it was decrypted: %+v", r)
			}
		}
		s.Behave(skrtest.Release)
		var first []harness.Record
		for _, r := range p.WaitStates(map[string]int{"decrypted": 108, "plain": 1, "tombstone": 1, "undecryptable": 1}) {
			if r.Partition == 0 {
				first = append(first, r)
				if r.State == "decrypted" && r.Sender.State != "verified" {
					t.Errorf("the sender of %q is %+v", r.Value, r.Sender)
				}
			}
		}
		if got := shownText(first); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// Without this records of other JOSE libraries would not open, or would pass as bound to their topic.
func TestJWEOfOtherLibraries(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), k.Sidecar))
	values := make([][]byte, 2)
	for i, header := range []map[jose.HeaderKey]any{{}, {"topic": harness.Topic}} {
		opts := jose.EncrypterOptions{ExtraHeaders: header}
		enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: &k.Private.PublicKey}, &opts)
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
	harness.Write(t, c, 0, values[0], values[1], values[1])
	want := "0/0 from another language unbound\n0/1 from another language \n0/2 from another language "
	if got := shownText(p.WaitStates(map[string]int{"decrypted": 3})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Without this a new key pair would need a restart of every pod.
func TestRotationNeedsNoRestart(t *testing.T) {
	t.Parallel()
	harness.EachSealedFormat(t, func(t *testing.T, format envelope.Format) {
		c, old, next := harness.Broker(t, 1), harness.NewKey(t), harness.NewKey(t)
		s, url := harness.Sidecar(t, old)
		p := harness.Consume(t, harness.Settings(t, c.ListenAddrs(), url))
		before, after := harness.NewSealer(t, old, "", format, harness.Topic), harness.NewSealer(t, next, "", format, harness.Topic)
		harness.Write(t, c, 0, before("one", 0))
		p.WaitStates(map[string]int{"decrypted": 1})
		// The producer changes first; the vault returns the new key when it is asked again.
		if err := s.SetKey(harness.KeyName, next); err != nil {
			t.Fatal(err)
		}
		asked, began := s.Requests(), time.Now()
		harness.Write(t, c, 0, after("two", 0), after("three", 0), before("four", 0))
		got := p.WaitStates(map[string]int{"decrypted": 4})
		if shownText(got) != "0/0 one \n0/1 two \n0/2 three \n0/3 four " {
			t.Errorf("got\n%s", shownText(got))
		}
		if got[1].KeyID != envelope.KeyID(&next.PublicKey) || got[3].KeyID != envelope.KeyID(&old.PublicKey) {
			t.Error("the records do not name the keys that opened them")
		}
		// Writers choose key names, so records for unknown keys must not keep the sidecar busy.
		for range 5 {
			harness.Write(t, c, 0, harness.NewSealer(t, harness.NewKey(t), "", format, harness.Topic)("for nobody here", 0))
		}
		p.WaitStates(map[string]int{"decrypted": 4, "unknown_key": 5})
		// At once, and then every 20 seconds at most.
		if n, limit := s.Requests()-asked, 2+int(time.Since(began)/(20*time.Second)); n > limit {
			t.Errorf("the sidecar was asked %d times, want at most %d", n, limit)
		}
	})
}

// Without this a restart or a rebalance would raise false alarms.
func TestNoFalseFlagsAfterRestartAndRebalance(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 4), harness.NewKeys(t)
	seal := harness.NewSealer(t, k.Private, k.Signing, envelope.FormatEnvelope, harness.Topic)
	n := 0
	some := func(count int) {
		for range count {
			n++
			harness.Write(t, c, int32(n%4), seal(fmt.Sprint("message ", n), int32(n%4)))
		}
	}
	cfg := func() consumer.Config {
		cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
		cfg.TrustedSendersFile, cfg.WebHistory = k.Trusted, 20
		return cfg
	}
	check := func(p *harness.Pod) {
		t.Helper()
		for _, r := range p.Records() {
			if len(unusual(r)) > 0 || r.Sender.State != "verified" {
				t.Errorf("%s from %+v", shownText([]harness.Record{r}), r.Sender)
			}
		}
	}
	holds := func(p *harness.Pod, last int) func() bool {
		return func() bool { return strings.Contains(fmt.Sprint(p.Records()), fmt.Sprintf("message %d ", last)) }
	}
	first := harness.Consume(t, cfg())
	some(60)
	first.Wait("the first read all", func() bool { return first.RecordsRead() >= 60 })
	check(first)
	first.Stop()

	again := harness.Consume(t, cfg())
	again.Wait("the history is back", func() bool { return len(again.Records()) == 20 })
	some(20)
	again.Wait("the consumer continues", func() bool { return again.RecordsRead() >= 40 })
	check(again)

	second := harness.Consume(t, cfg())
	second.Wait("the second got partitions", func() bool { return strings.Contains(second.Log.String(), "reading") })
	some(200)
	again.Wait("both together read all", func() bool { return again.RecordsRead()+second.RecordsRead() >= 240 })
	check(again)
	check(second)
	second.Stop()
	some(20) // as many as it holds: partitions arrive in any order, and none may push out the last record
	again.Wait("one consumer reads all partitions again", holds(again, n))
	check(again)
	if metrics := string(again.Get(again.Metrics + "/metrics")); strings.Contains(metrics, `e2ee_consumer_flags_total{flag="gap",topic="`+harness.Topic+`"} 1`) {
		t.Error("a gap was counted")
	}
}

// Without this programs that read the API would get a different JSON.
func TestSenderInTheAPIHasItsShape(t *testing.T) {
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile = k.Trusted
	p := harness.Consume(t, cfg)
	harness.Produce(t, c, k.Public, k.Signing, envelope.FormatEnvelope, "hello", 1)
	p.WaitStates(map[string]int{"decrypted": 1})
	var answer struct{ Records []map[string]json.RawMessage }
	if err := json.Unmarshal(p.Get(p.Page+"/api/records"), &answer); err != nil {
		t.Fatal(err)
	}
	var sender map[string]string
	if err := json.Unmarshal(answer.Records[0]["sender"], &sender); err != nil || len(sender) != 4 || sender["state"] != "verified" || sender["name"] != harness.SenderName || len(sender["key_id"]) != 43 || sender["reason"] == "" {
		t.Errorf("sender: %s, %v", answer.Records[0]["sender"], err)
	}
	if flags := string(answer.Records[0]["flags"]); flags != "[]" {
		t.Errorf("flags: %s", flags)
	}
}
