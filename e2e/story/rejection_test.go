package story_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// rejectedText is in every message that must be rejected.
const rejectedText = "wheedle"

// showsNowhere fails if an answer of the page, the API or the metrics, or the log, contains the text.
func showsNowhere(t *testing.T, p *harness.Pod, records []harness.Record) {
	t.Helper()
	urls := []string{p.Page, p.Page + "/?q=" + rejectedText, p.Page + "/api/records?q=" + rejectedText, p.Page + "/api/records", p.Page + "/api/key/evidence", p.Metrics + "/metrics"}
	for _, r := range records {
		urls = append(urls, fmt.Sprintf("%s/records/%s/%d/%d?all=1", p.Page, r.Topic, r.Partition, r.Offset))
	}
	for _, url := range urls {
		body := strings.ReplaceAll(string(p.Get(url)), "q="+rejectedText, "")
		body = strings.ReplaceAll(body, `value="`+rejectedText+`"`, "")
		if strings.Contains(body, rejectedText) {
			t.Errorf("%s shows %s", url, rejectedText)
		}
	}
	if strings.Contains(p.Log.String(), rejectedText) {
		t.Error("the log has the text")
	}
}

// rejectedFor waits until one record is decrypted and one is rejected for a reason, and checks that it is told and
// counted.
func rejectedFor(t *testing.T, p *harness.Pod, reason string) []harness.Record {
	t.Helper()
	records := p.WaitStates(map[string]int{"decrypted": 1, "rejected": 1})
	for _, r := range records {
		if r.State == "rejected" && (r.RejectReason != reason || r.Value != "" || r.Wire != "" || r.Reason == "") {
			t.Errorf("got %+v, want it rejected for its %s", r, reason)
		}
	}
	if metrics := string(p.Get(p.Metrics + "/metrics")); !strings.Contains(metrics, fmt.Sprintf("e2ee_consumer_rejected_records_total{reason=%q,topic=%q} 1\n", reason, harness.Topic)) || !strings.Contains(metrics, fmt.Sprintf("e2ee_consumer_records_total{state=\"rejected\",topic=%q} 1\n", harness.Topic)) {
		t.Error("the metrics do not count the rejected record")
	}
	return records
}

// Without this somebody who can change the producer's PUBKEY_FILE could read every message from then on, unnoticed.
func TestAddedReaderIsRejected(t *testing.T) {
	t.Parallel()
	c, k, stranger := harness.Broker(t, 1), harness.NewKeys(t), harness.NewKey(t)
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile = k.Trusted
	flagging := harness.Consume(t, cfg)
	cfg = harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.Group, cfg.TrustedSendersFile, cfg.AllowedReaders = "strict", k.Trusted, "held"
	p := harness.Consume(t, cfg)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	harness.Produce(t, c, k.Public, k.Signing, envelope.FormatEnvelope, "good", 1)
	harness.Produce(t, c, k.Public+harness.PublicPEM(t, &stranger.PublicKey), k.Signing, envelope.FormatEnvelope, rejectedText, 1)
	showsNowhere(t, p, rejectedFor(t, p, "reader"))
	id := envelope.KeyID(&stranger.PublicKey)
	if !strings.Contains(string(p.Get(p.Page)), id) {
		t.Error("the page does not name the added reader")
	}
	told := flagging.WaitStates(map[string]int{"decrypted": 2})
	if last := told[1]; len(last.OtherReaders) != 1 || last.OtherReaders[0] != id || !strings.Contains(fmt.Sprint(last.Flags), "readers") || len(told[0].OtherReaders) > 0 {
		t.Errorf("without ALLOWED_READERS: %+v", told)
	}
	if metrics := string(flagging.Get(flagging.Metrics + "/metrics")); !strings.Contains(metrics, fmt.Sprintf("e2ee_consumer_flags_total{flag=\"readers\",topic=%q} 1\n", harness.Topic)) {
		t.Error("the metrics do not count the record that others can read")
	}
}

// Without this anybody with the public key could write a message in a topic of signed ones, and it would fill the large
// box of the page.
func TestUnsignedTextIsRejected(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile, cfg.RequireSender = k.Trusted, "verified"
	p := harness.Consume(t, cfg)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	harness.Produce(t, c, k.Public, k.Signing, envelope.FormatEnvelope, "good", 1)
	harness.Write(t, c, 0, harness.Encrypt(t, k.Private, rejectedText))
	showsNowhere(t, p, rejectedFor(t, p, "sender"))
}

// Without this a message that the brokers' operators wrote themselves would be on the page.
func TestPlainTextIsRejected(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.RequireFormat = "envelope,jwe"
	p := harness.Consume(t, cfg)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	harness.Produce(t, c, k.Public, "", envelope.FormatEnvelope, "good", 1)
	harness.Write(t, c, 0, []byte(rejectedText))
	showsNowhere(t, p, rejectedFor(t, p, "plain"))
	harness.Write(t, c, 0, nil)
	p.WaitStates(map[string]int{"decrypted": 1, "rejected": 1, "tombstone": 1})
}

// Without this the sender of a required signing key could not be told apart from another trusted one.
func TestOtherTrustedSenderIsRejected(t *testing.T) {
	t.Parallel()
	c, k := harness.Broker(t, 1), harness.NewKeys(t)
	other, trusted := harness.NewSender(t, "bob")
	both := bothFiles(t, k.Trusted, trusted)
	text, err := os.ReadFile(both)
	if err != nil {
		t.Fatal(err)
	}
	senders, err := envelope.ParseTrustedSenders(text)
	if err != nil {
		t.Fatal(err)
	}
	cfg := harness.Settings(t, c.ListenAddrs(), k.Sidecar)
	cfg.TrustedSendersFile, cfg.RequireSender = both, envelope.SigningKeyID(senders[0].Key)
	p := harness.Consume(t, cfg)
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
	harness.Produce(t, c, k.Public, k.Signing, envelope.FormatEnvelope, "good", 1)
	harness.Produce(t, c, k.Public, other, envelope.FormatEnvelope, rejectedText, 1)
	showsNowhere(t, p, rejectedFor(t, p, "sender"))
}
