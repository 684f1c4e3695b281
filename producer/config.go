package producer

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/health"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/settings"
)

// Config holds the producer's settings. None is secret: the signing key is in a file.
type Config struct {
	kafkaconf.Settings

	Topic          string          `envconfig:"TOPIC" empty:"default" default:"my-topic" desc:"topic to write to"`
	Message        string          `envconfig:"MSG" empty:"default" default:"Azure confidential computing. Increase data privacy by protecting data in use" desc:"text that follows \"Msg 1: \", \"Msg 2: \" and so on"`
	Format         envelope.Format `envconfig:"FORMAT" default:"rsa" desc:"format of the records: rsa, envelope or jwe"`
	PublicKey      string          `envconfig:"PUBKEY" desc:"RSA public key to encrypt with, PEM (PKIX or PKCS#1), 2048 bits or more; FORMAT=envelope allows up to 16 PEM blocks"`
	PublicKeyFile  string          `envconfig:"PUBKEY_FILE" desc:"file with the public keys, instead of PUBKEY; reread when it changes"`
	SigningKeyFile string          `envconfig:"SIGNING_KEY_FILE" desc:"file with the Ed25519 private key (PKCS#8 PEM) that signs records, for FORMAT=envelope and jwe; reread when it changes"`
	PublicKeyGrace time.Duration   `envconfig:"PUBKEY_GRACE" default:"10m" desc:"how long the keys before stay in use if PUBKEY_FILE or SIGNING_KEY_FILE changes and cannot be used, at most 24h; then messages wait until the file is fixed; 0s: they wait at once"`
	Key            string          `envconfig:"KEY" desc:"key of every record, not encrypted: Kafka's operators can read it. Records with the same key go to the same partition, and a compacted topic keeps the last one; empty: no key"`
	Count          uint64          `envconfig:"COUNT" default:"0" desc:"number of messages to send; 0: no limit"`

	health.Config
	kafkaconf.Batching
	Headers
	Pace

	// Limits are those of the data keys, for programs that embed the producer. Zero means the defaults.
	Limits envelope.Limits

	// KeySeparator, if not empty, ends the key in each line of the input. It is a flag, not a variable.
	KeySeparator string

	// OnStored, for programs that embed the producer, gets each message that Kafka has stored, with the position of its
	// record, and the record's value. It must not keep the text or the value. If it is nil, no message is kept beside its
	// record.
	OnStored func(partition int32, offset int64, text, value []byte)

	ignoredVariables string // a hint about variables of the original program that have no effect here
}

// Pace is the rhythm of the messages: a burst, spread evenly over some seconds, then a rest. Each burst varies by up to the
// deviations. All zero means as fast as Kafka takes the messages.
type Pace struct {
	Rate                  float64 `envconfig:"RATE" empty:"default" default:"10" desc:"messages in a burst"`
	RateDeviation         float64 `envconfig:"RATEDEVIATION" empty:"default" default:"2" desc:"largest random deviation from RATE"`
	SendDuration          float64 `envconfig:"SENDDURATION" empty:"default" default:"5" desc:"duration of a burst in seconds"`
	SendDurationDeviation float64 `envconfig:"SENDDURATIONDEVIATION" empty:"default" default:"2" desc:"largest random deviation from SENDDURATION"`
	RestDuration          float64 `envconfig:"RESTDURATION" empty:"default" default:"10" desc:"pause after a burst in seconds"`
	RestDurationDeviation float64 `envconfig:"RESTDURATIONDEVIATION" empty:"default" default:"2" desc:"largest random deviation from RESTDURATION"`
}

// Load reads the settings, usually through [os.LookupEnv]. The error is a [settings.ErrInvalid] that joins all problems,
// each with its variable's name and never its value.
func Load(lookup func(string) (string, bool)) (Config, error) {
	var cfg Config
	parsing := settings.Load(&cfg, lookup)
	cfg.ignoredVariables = kafkaconf.IgnoredVariables(lookup)
	_, checking := cfg.newEnvelopeSealer()
	if err := errors.Join(parsing, checking); err != nil {
		return Config{}, settings.Invalid(err)
	}
	return cfg, nil
}

// check checks the settings, except the length of MSG, and reads the key files. The error joins all problems.
func (c Config) check() (envelope.SealerConfig, error) {
	problems := []error{c.Settings.Check(), c.Batching.Check(c.Settings), c.checkPace(), kafkaconf.CheckTopic("TOPIC", c.Topic), c.checkFormat(), c.checkKeys(), c.checkGrace(), c.Headers.check(), c.CheckMetricsAddr()}
	readers, err := c.readers()
	problems = append(problems, err)
	signing, err := c.signingKey()
	if err := errors.Join(append(problems, err)...); err != nil {
		return envelope.SealerConfig{}, err
	}
	return envelope.SealerConfig{Format: c.Format, Topic: c.Topic, Readers: readers, SigningKey: signing, Limits: c.Limits, Headers: c.policy()}, nil
}

// newEnvelopeSealer checks the settings and returns a sealer. The sealer's limit decides whether MSG is too long.
func (c Config) newEnvelopeSealer() (*envelope.Sealer, error) {
	checked, err := c.check()
	if err != nil {
		return nil, err
	}
	sealer, err := envelope.NewSealer(checked)
	if err != nil {
		source, _ := c.publicKey() //nolint:errcheck // check has succeeded, so only the keys can be wrong
		return nil, settings.Errorf(source.Variable, "%w", err)
	}
	if got, limit := len(c.Message), sealer.MaxPlaintext()-len(c.prefix()); got > limit {
		by, hint := lengthLimit(c.Format)
		return nil, fmt.Errorf("MSG: %d bytes, but %s holds at most %d beside the %q in front (hint: %s)", got, by, limit, c.prefix(), hint)
	}
	return sealer, nil
}

// lengthLimit names what limits the length of a message, and what to do about it.
func lengthLimit(format envelope.Format) (by, hint string) {
	if format == envelope.FormatRSA {
		return "this key", "shorten it, use a larger key, or set FORMAT=envelope"
	}
	return "a record", "shorten it"
}

func (c Config) checkFormat() error {
	switch c.Format {
	case envelope.FormatRSA:
		if c.SigningKeyFile != "" {
			return errors.New("SIGNING_KEY_FILE: records of FORMAT=rsa cannot be signed (hint: set FORMAT=envelope or FORMAT=jwe)")
		}
	case envelope.FormatEnvelope, envelope.FormatJWE:
	default:
		return errors.New("FORMAT: want rsa, envelope or jwe")
	}
	return nil
}

func (c Config) checkGrace() error {
	if c.PublicKeyGrace < 0 || c.PublicKeyGrace > 24*time.Hour {
		return errors.New("PUBKEY_GRACE: want 0s to 24h")
	}
	return nil
}

// publicKey returns where the public keys are.
func (c Config) publicKey() (settings.Source, error) {
	source, err := settings.OneOf("PUBKEY", c.PublicKey, c.PublicKeyFile)
	if err == nil && !source.IsSet() {
		err = errors.New("PUBKEY: is not set (hint: set it to the PEM text of the key, or PUBKEY_FILE to its path)")
	}
	return source, err
}

// readers returns the public keys to encrypt for.
func (c Config) readers() ([]*rsa.PublicKey, error) {
	source, err := c.publicKey()
	if err != nil {
		return nil, err
	}
	text, err := source.Read()
	if err != nil {
		return nil, err
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return nil, settings.Errorf(source.Variable, "%w", err)
	}
	if len(keys) > 1 && (c.Format == envelope.FormatRSA || c.Format == envelope.FormatJWE) {
		return nil, settings.Errorf(source.Variable, "got %d public keys, FORMAT=%s takes exactly one (hint: FORMAT=envelope takes several)", len(keys), c.Format)
	}
	return keys, nil
}

// signingKey returns the key that proves the sender; nil if none is set.
func (c Config) signingKey() (ed25519.PrivateKey, error) {
	if c.SigningKeyFile == "" || c.Format == envelope.FormatRSA {
		return nil, nil
	}
	const hint = "(hint: openssl genpkey -algorithm ed25519 makes one)"
	text, err := settings.ReadFile("SIGNING_KEY_FILE", c.SigningKeyFile)
	if err != nil {
		return nil, fmt.Errorf("%w %s", err, hint)
	}
	defer clear(text)
	key, err := envelope.ParseSigningKey(text)
	if err != nil {
		return nil, fmt.Errorf("SIGNING_KEY_FILE: %w %s", err, hint)
	}
	return key, nil
}

// prefix returns the longest prefix of a message: with COUNT that of the last message, else one with ten digits, which ten
// messages a second reach after thirty years.
func (c Config) prefix() string {
	if c.Count > 0 {
		return prefix(c.Count)
	}
	return prefix(9_999_999_999)
}

func prefix(n uint64) string { return "Msg " + strconv.FormatUint(n, 10) + ": " }

func (p Pace) checkPace() error {
	const most = 1e9 // seconds fit a time.Duration with ease
	var problems []error
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"RATE", p.Rate},
		{"RATEDEVIATION", p.RateDeviation},
		{"SENDDURATION", p.SendDuration},
		{"SENDDURATIONDEVIATION", p.SendDurationDeviation},
		{"RESTDURATION", p.RestDuration},
		{"RESTDURATIONDEVIATION", p.RestDurationDeviation},
	} {
		if math.IsNaN(v.value) || v.value < 0 || v.value > most {
			problems = append(problems, fmt.Errorf("%s: want a number from 0 to %.0f", v.name, most))
		}
	}
	return errors.Join(problems...)
}
