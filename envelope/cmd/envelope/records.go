package main

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

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
		return wrong("seal: -topic is missing (hint: -topic NAME, the topic that the record will be written to; it opens in no other)")
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
	if *partition < 0 || *partition > math.MaxInt32 {
		return wrong("seal: got partition %d, want 0 to %d", *partition, math.MaxInt32)
	}
	sealer, err := envelope.NewSealer(cfg)
	if err != nil {
		return usageError{err}
	}
	message, err := t.message()
	if err != nil {
		return err
	}
	value, err := sealer.Seal(nil, message, int32(*partition))
	if err != nil {
		return err
	}
	return t.write(value)
}

func (t *tool) open(args []string) error {
	var keys files
	var cfg envelope.OpenerConfig
	flags := flag.NewFlagSet("open", flag.ContinueOnError)
	flags.Var(&keys, "key", "")
	topic := flags.String("topic", "", "")
	header := flags.String("header", "", "")
	stream := flags.Bool("stream", false, "")
	trusted := flags.String("trusted", "", "")
	flags.Func("require-format", "", cfg.Require.ParseFormats)
	flags.Func("require-sender", "", cfg.Require.ParseSenders)
	flags.Func("allow-readers", "", cfg.Require.ParseReaders)
	if err := t.parse(flags, args); err != nil {
		return err
	}
	opener, err := newOpener(cfg, keys, *trusted)
	if err != nil {
		return err
	}
	if *stream {
		if *topic == "" || *header != "" {
			return wrong("open: -stream takes -topic, and no -header: it keeps the headers of the records that it reads")
		}
		return t.openAll(opener, *topic)
	}
	record, err := t.record()
	if err != nil {
		return err
	}
	if record, err = addHeader(record, *header); err != nil {
		return err
	}
	msg, err := t.try(opener, *topic, record)
	if rest, ok := bytes.CutSuffix(record, []byte("\n")); err != nil && ok {
		// The line break does not belong to the record if the record opens without it,
		// and never belongs to text.
		if trimmed, trimmedErr := t.try(opener, *topic, rest); trimmedErr == nil || isText(record) {
			msg, err, record = trimmed, trimmedErr, rest
		}
	}
	if err != nil {
		return refused(err, *topic, record)
	}
	return t.opened(msg)
}

func newOpener(cfg envelope.OpenerConfig, keys files, trusted string) (*envelope.Opener, error) {
	if trusted != "" {
		text, err := os.ReadFile(trusted) //nolint:gosec // the user names it
		if err != nil {
			return nil, usageError{err}
		}
		if cfg.TrustedSenders, err = envelope.ParseTrustedSenders(text); err != nil {
			return nil, usageError{err}
		}
	}
	if err := cfg.Validate(); err != nil {
		return nil, usageError{err}
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

// try opens a record. Without a topic it uses the one that the record names.
func (t *tool) try(opener *envelope.Opener, topic string, record []byte) (envelope.Message, error) {
	if topic != "" {
		return opener.Open(nil, topic, record)
	}
	d, _ := envelope.Describe(record) //nolint:errcheck // Open returns a better error
	msg, err := opener.Open(nil, d.Topic, record)
	if err == nil && msg.Bound {
		t.note("topic %q, according to the record (hint: -topic checks it)", d.Topic)
	}
	return msg, err
}

// opened writes the message, and notes what else is proven.
func (t *tool) opened(msg envelope.Message) error {
	if !msg.Bound {
		t.note("the record is not bound to a topic")
	}
	if msg.Counted {
		t.note("partition %d, counter %d", msg.Partition, msg.Counter)
		t.note("data key in use since %s; its records may arrive until %s", msg.IssuedAt.Format(time.RFC3339), msg.Expires.Format(time.RFC3339))
	}
	if len(msg.OtherReaders) > 0 {
		t.note("also readable with the keys %s", strings.Join(msg.OtherReaders, ", "))
	}
	if msg.Sender.State == envelope.SenderVerified {
		t.note("sender verified: %s", msg.Sender.Name)
	} else {
		t.note("sender %s: %s", msg.Sender.State, msg.Sender.Reason)
	}
	return t.write(msg.Plaintext)
}

// isText reports whether a record is text: binary ones start with a byte above ASCII.
func isText(record []byte) bool { return record[0] < 0x80 }

// addHeader makes a lean record a full one, with the header of the record in a file. Other
// records stay as they are.
func addHeader(record []byte, file string) ([]byte, error) {
	if file == "" {
		return record, nil
	}
	full, err := os.ReadFile(file) //nolint:gosec // the user names it
	if err != nil {
		return nil, usageError{err}
	}
	result, err := envelope.AddHeader(record, full)
	switch {
	case errors.Is(err, envelope.ErrNeedsHeader):
		return nil, refused(err, "", record)
	case err != nil && !lean(record):
		return record, nil // what is wrong shows when it is opened
	case err != nil:
		return nil, fmt.Errorf("%s: %w (hint: -header takes a full record of the format envelope)", file, err)
	}
	return result, nil
}

// lean reports whether a record is a lean one.
func lean(record []byte) bool {
	d, err := envelope.Describe(record)
	return err == nil && d.Lean
}

// trimmedRecord reads a record and trims the line break from text. In a binary record
// it could be part of the tag.
func (t *tool) trimmedRecord(args []string, flags *flag.FlagSet) ([]byte, error) {
	if err := t.parse(flags, args); err != nil {
		return nil, err
	}
	record, err := t.record()
	if err != nil || !isText(record) {
		return record, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(record, []byte("\n")), []byte("\r")), nil
}

func (t *tool) convert(args []string) error {
	flags := flag.NewFlagSet("convert", flag.ContinueOnError)
	header := flags.String("header", "", "")
	record, err := t.trimmedRecord(args, flags)
	if err != nil {
		return err
	}
	if record, err = addHeader(record, *header); err != nil {
		return err
	}
	converted, err := envelope.Convert(record)
	if err != nil {
		return refused(err, "", record)
	}
	return t.write(converted)
}

func (t *tool) inspect(args []string) error {
	record, err := t.trimmedRecord(args, flag.NewFlagSet("inspect", flag.ContinueOnError))
	if err != nil {
		return err
	}
	d, err := envelope.Describe(record)
	shown := inspected(d)
	if unsupported, ok := errors.AsType[*envelope.UnsupportedError](err); ok {
		shown.Refused = unsupported.Error()
	} else if err != nil {
		return refused(err, "", record)
	}
	out := json.NewEncoder(t.out)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(shown)
}

// inspection is a description as inspect prints it, without the fields that a format
// does not have.
type inspection struct {
	Format    envelope.Format `json:"format"`
	Lean      bool            `json:"lean,omitempty"`
	Name      string          `json:"header_name,omitempty"` // a lean record has it instead of the header
	Header    json.RawMessage `json:"header,omitempty"`
	Readers   []string        `json:"readers,omitempty"`
	Partition *int32          `json:"partition,omitempty"`
	Counter   *uint64         `json:"counter,omitempty"`
	Plaintext *int            `json:"plaintext_bytes,omitempty"`
	Prefix    int             `json:"prefix_bytes,omitempty"`
	Refused   string          `json:"not_accepted,omitempty"` // why open would refuse it
}

func inspected(d envelope.Description) inspection {
	s := inspection{Format: d.Format, Lean: d.Lean, Name: d.HeaderName, Header: json.RawMessage(d.Header), Readers: d.Needs, Prefix: d.Prefix}
	if d.Counted {
		s.Partition, s.Counter = &d.Partition, &d.Counter
	}
	if d.Plaintext >= 0 {
		s.Plaintext = &d.Plaintext
	}
	return s
}
