package main

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"os"

	"kafka-e2ee/envelope"
)

func (t *tool) seal(args []string) error {
	var cfg envelope.SealerConfig
	var pubkeys, signing files
	flags := flag.NewFlagSet("seal", flag.ContinueOnError)
	flags.Var(&pubkeys, "pubkey", "")
	flags.Var(&signing, "signing-key", "")
	flags.StringVar(&cfg.Topic, "topic", "", "")
	format := flags.String("format", string(envelope.FormatEnvelope), "")
	partition := flags.Int("partition", 0, "")
	if err := t.parse(flags, args); err != nil {
		return err
	}
	if cfg.Topic == "" {
		return wrong("seal: -topic is missing (hint: -topic NAME, the topic that the record will be written to: it opens nowhere else)")
	}
	texts, err := pubkeys.readAll("pubkey")
	if err != nil {
		return err
	}
	cfg.Format = envelope.Format(*format)
	if cfg.Readers, err = envelope.ParsePublicKeys(bytes.Join(texts, []byte("\n"))); err != nil {
		return usageError{err}
	}
	if len(signing) > 0 {
		texts, err := signing.readAll("signing-key")
		if err != nil {
			return err
		}
		if cfg.SigningKey, err = envelope.ParseSigningKey(bytes.Join(texts, []byte("\n"))); err != nil {
			return usageError{err}
		}
	}
	if int(int32(*partition)) != *partition || *partition < 0 { //nolint:gosec // that is the question
		return wrong("seal: got partition %d, want 0 to 2147483647", *partition)
	}
	sealer, err := envelope.NewSealer(cfg)
	if err != nil {
		return usageError{err}
	}
	message, err := t.message()
	if err != nil {
		return err
	}
	value, err := sealer.Seal(nil, message, int32(*partition)) //nolint:gosec // checked above
	if err != nil {
		return err
	}
	return t.write(value)
}

func (t *tool) open(args []string) error {
	var keys files
	flags := flag.NewFlagSet("open", flag.ContinueOnError)
	flags.Var(&keys, "key", "")
	topic := flags.String("topic", "", "")
	trusted := flags.String("trusted", "", "")
	if err := t.parse(flags, args); err != nil {
		return err
	}
	opener, err := newOpener(keys, *trusted)
	if err != nil {
		return err
	}
	record, err := t.record()
	if err != nil {
		return err
	}
	msg, err := t.try(opener, *topic, record)
	if rest, ok := bytes.CutSuffix(record, []byte("\n")); err != nil && ok {
		// Not part of the record, if it opens without it: its tag says so.
		if again, second := t.try(opener, *topic, rest); second == nil {
			msg, err = again, nil
		}
	}
	if err != nil {
		return refused(err, *topic, record)
	}
	return t.opened(msg)
}

func newOpener(keys files, trusted string) (*envelope.Opener, error) {
	var cfg envelope.OpenerConfig
	if trusted != "" {
		text, err := os.ReadFile(trusted) //nolint:gosec // the user names it
		if err != nil {
			return nil, usageError{err}
		}
		if cfg.TrustedSenders, err = envelope.ParseTrustedSenders(text); err != nil {
			return nil, usageError{err}
		}
	}
	texts, err := keys.readAll("key")
	if err != nil {
		return nil, err
	}
	private := make([]*rsa.PrivateKey, len(texts))
	for i, text := range texts {
		if private[i], err = envelope.ParsePrivateKey(text); err != nil {
			return nil, usageError{err}
		}
	}
	opener := envelope.NewOpener(cfg)
	if err := opener.SetKeys(private...); err != nil {
		return nil, usageError{err}
	}
	return opener, nil
}

func (t *tool) try(opener *envelope.Opener, topic string, message []byte) (envelope.Message, error) {
	if topic != "" {
		return opener.Open(nil, topic, message)
	}
	d, _ := envelope.Describe(message) //nolint:errcheck // Open says it better
	msg, err := opener.Open(nil, d.Topic, message)
	if err == nil && msg.Bound {
		t.warn("topic %q, as the record says (hint: -topic checks it)", d.Topic)
	}
	return msg, err
}

// opened writes the message, and says what is proven beside it.
func (t *tool) opened(msg envelope.Message) error {
	if !msg.Bound {
		t.warn("the record is not bound to a topic")
	}
	if msg.Counted {
		t.warn("partition %d, counter %d", msg.Partition, msg.Counter)
	}
	if msg.Sender.State == envelope.SenderVerified {
		t.warn("sender verified: %s", msg.Sender.Name)
	} else {
		t.warn("sender %s: %s", msg.Sender.State, msg.Sender.Reason)
	}
	return t.write(msg.Plaintext)
}

// text takes the line break off a text; in a binary record it could be part of
// the tag.
func (t *tool) text(args []string, name string) ([]byte, error) {
	if err := t.parse(flag.NewFlagSet(name, flag.ContinueOnError), args); err != nil {
		return nil, err
	}
	record, err := t.record()
	if err != nil || record[0] >= 0x80 {
		return record, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(record, []byte("\n")), []byte("\r")), nil
}

func (t *tool) convert(args []string) error {
	message, err := t.text(args, "convert")
	if err != nil {
		return err
	}
	other, err := envelope.Convert(message)
	if err != nil {
		return refused(err, "", message)
	}
	return t.write(other)
}

func (t *tool) inspect(args []string) error {
	message, err := t.text(args, "inspect")
	if err != nil {
		return err
	}
	d, err := envelope.Describe(message)
	if err != nil {
		return refused(err, "", message)
	}
	out := json.NewEncoder(t.out)
	out.SetIndent("", "  ")
	return out.Encode(view(d))
}

// seen is a description as inspect prints it: what a format lacks is left out.
type seen struct {
	Format    envelope.Format `json:"format"`
	Header    json.RawMessage `json:"header,omitempty"`
	Readers   []string        `json:"readers,omitempty"`
	Partition *int32          `json:"partition,omitempty"`
	Counter   *uint64         `json:"counter,omitempty"`
	Plaintext *int            `json:"plaintext_bytes,omitempty"`
	Prefix    int             `json:"prefix_bytes,omitempty"`
}

func view(d envelope.Description) seen {
	s := seen{Format: d.Format, Header: json.RawMessage(d.Header), Readers: d.Needs, Prefix: d.Prefix}
	if d.Counted {
		s.Partition, s.Counter = &d.Partition, &d.Counter
	}
	if d.Plaintext >= 0 {
		s.Plaintext = &d.Plaintext
	}
	return s
}
