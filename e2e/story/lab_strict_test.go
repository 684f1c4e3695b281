package story_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// labBroker is the demo's broker, at the address that the demo prints.
type labBroker struct{ addr string }

func (b labBroker) ListenAddrs() []string { return []string{b.addr} }

// Without this a presenter would show a page on which anybody who reaches the broker can write, while the demo claims that
// messages are from a proven sender, and for nobody else.
func TestLabRejectsWhatProvesTooLittle(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // to find the demo's files
	d := harness.StartLab(t, "", envelope.FormatEnvelope)
	p := d.Confidential
	verified := func(text string) func() bool {
		return func() bool {
			for _, r := range p.Records() {
				if r.Value == text && r.State == "decrypted" && r.Sender.State == "verified" {
					return true
				}
			}
			return false
		}
	}
	d.Type(t, "typed by hand")
	p.Wait("the typed line is shown with its sender", verified("typed by hand"))

	rejected := func(reason string) func() bool {
		return func() bool {
			for _, r := range p.Records() {
				if strings.Contains(r.Value, "wire the money") {
					t.Fatalf("the page shows %+v", r)
				}
				if r.State == "rejected" && r.RejectReason == reason {
					return true
				}
			}
			return false
		}
	}
	broker := labBroker{regexp.MustCompile(`kcat -C -b (\S+)`).FindStringSubmatch(d.Output())[1]}
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "kafka-e2ee-lab-*", "public-key.pem"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the demo's public key: %v, %v", files, err)
	}
	public, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	readers, err := envelope.ParsePublicKeys(public)
	if err != nil {
		t.Fatal(err)
	}
	const topic = "kafka-demo-topic"
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatEnvelope, Topic: topic, Readers: readers})
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := sealer.Seal(nil, []byte("wire the money"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for reason, value := range map[string][]byte{"sender": unsigned, "plain": []byte("wire the money")} {
		harness.Send(t, broker, []*sarama.ProducerMessage{{Topic: topic, Value: sarama.ByteEncoder(value)}})
		p.Wait("a record is rejected for its "+reason, rejected(reason))
	}

	// A second public key in the producer's file makes its own, signed records readable for a stranger.
	stranger := harness.PublicPEM(t, &harness.NewKey(t).PublicKey)
	harness.ReplaceFile(t, files[0], string(public)+stranger)
	p.Wait("records that a stranger can read are rejected", rejected("reader"))
	harness.ReplaceFile(t, files[0], string(public))
	p.Wait("the demo goes on by itself", func() bool { d.Type(t, "and again"); return verified("and again")() })
	if p.KeyState() != "released" {
		t.Errorf("the expected key is %s", p.KeyState())
	}
}
