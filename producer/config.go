package producer

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
)

// ErrSettings marks an error that only other settings can mend.
var ErrSettings = errors.New("wrong settings")

// Config holds the producer's settings. None is secret: the public keys are no secret, and the signing key is in a file.
type Config struct {
	kafkaconf.Settings

	Topic          string          `envconfig:"TOPIC" default:"my-topic" desc:"topic to write to"`
	Message        string          `envconfig:"MSG" desc:"text that follows \"Msg 1: \", \"Msg 2: \" and so on"`
	Format         envelope.Format `envconfig:"FORMAT" default:"rsa" desc:"format of the records: rsa, envelope or jwe"`
	PublicKey      string          `envconfig:"PUBKEY" desc:"RSA public key to encrypt with, PEM (PKIX or PKCS#1), 2048 bits or more; envelope takes up to 16, one PEM block after the other"`
	PublicKeyFile  string          `envconfig:"PUBKEY_FILE" desc:"file that holds the public keys, instead of PUBKEY; read again when it changes"`
	SigningKeyFile string          `envconfig:"SIGNING_KEY_FILE" desc:"file with an Ed25519 private key (PKCS#8 PEM) that proves the sender; envelope and jwe"`
	Count          uint64          `envconfig:"COUNT" default:"0" desc:"stop after that many messages; 0 means never"`
	MetricsAddr    string          `envconfig:"METRICS_ADDR" default:":9464" desc:"address of /metrics and /healthz; empty: none; another one for each program where several run on one machine"`

	kafkaconf.Batching
	Pace
}

// Pace is the rhythm of the messages: a burst, spread evenly over some seconds, then a rest.
// Each deviation is the most by which a burst differs from the value before it. All zero means as fast as Kafka takes them.
type Pace struct {
	Rate                  float64 `envconfig:"RATE" default:"10" desc:"messages in a burst"`
	RateDeviation         float64 `envconfig:"RATEDEVIATION" default:"2" desc:"most messages more or less in a burst"`
	SendDuration          float64 `envconfig:"SENDDURATION" default:"5" desc:"seconds that a burst takes"`
	SendDurationDeviation float64 `envconfig:"SENDDURATIONDEVIATION" default:"2" desc:"most seconds more or less in a burst"`
	RestDuration          float64 `envconfig:"RESTDURATION" default:"10" desc:"seconds of rest after a burst"`
	RestDurationDeviation float64 `envconfig:"RESTDURATIONDEVIATION" default:"2" desc:"most seconds more or less in a rest"`
}

// Load reads the settings, usually through [os.LookupEnv]. The error is an [ErrSettings] that joins all problems,
// each with its variable's name and never its value.
func Load(lookup func(string) (string, bool)) (Config, error) {
	var cfg Config
	parsing := kafkaconf.Load(&cfg, lookup)
	_, checking := cfg.sealer()
	if err := errors.Join(parsing, checking); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return cfg, nil
}

// sealer checks the settings and makes of them what encrypts, with what the files hold now. The error joins all problems.
func (c Config) sealer() (*envelope.Sealer, error) {
	problems := []error{c.Settings.Check(), c.Batching.Check(c.Settings), c.checkPace(), checkTopic(c.Topic), c.checkFormat()}
	if c.MetricsAddr != "" {
		problems = append(problems, kafkaconf.CheckAddr("METRICS_ADDR", c.MetricsAddr))
	}
	readers, err := c.readers()
	problems = append(problems, err)
	signing, err := c.signingKey()
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: c.Format, Topic: c.Topic, Readers: readers, SigningKey: signing})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.keyVariable(), err) // all else was checked
	}
	if got, limit := len(c.Message), sealer.MaxPlaintext()-len(c.prefix()); got > limit {
		return nil, fmt.Errorf("MSG: %d bytes, but %s holds at most %d beside the %q in front; hint: %s", got, holder(c.Format), limit, c.prefix(), shorter(c.Format))
	}
	return sealer, nil
}

// holder is what limits the length of a message.
func holder(format envelope.Format) string {
	if format == envelope.FormatRSA {
		return "this key"
	}
	return "a record"
}

func shorter(format envelope.Format) string {
	if format == envelope.FormatRSA {
		return "shorten it, use a larger key, or set FORMAT=envelope"
	}
	return "shorten it"
}

func (c Config) checkFormat() error {
	switch c.Format {
	case envelope.FormatRSA:
		if c.SigningKeyFile != "" {
			return errors.New("SIGNING_KEY_FILE: records of FORMAT=rsa cannot be signed; hint: set FORMAT=envelope or FORMAT=jwe")
		}
	case envelope.FormatEnvelope, envelope.FormatJWE:
	default:
		return errors.New("FORMAT: want rsa, envelope or jwe")
	}
	return nil
}

// checkTopic holds a name to Kafka's own rule.
func checkTopic(topic string) error {
	if topic == "" {
		return errors.New("TOPIC: is empty")
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if len(topic) > 249 || topic == "." || topic == ".." || strings.Trim(topic, allowed) != "" {
		return errors.New("TOPIC: want at most 249 letters, digits, dots, underscores and hyphens")
	}
	return nil
}

func (c Config) keyVariable() string {
	if c.PublicKeyFile != "" {
		return "PUBKEY_FILE"
	}
	return "PUBKEY"
}

// keyFile is what PUBKEY_FILE holds now; nil where there is none.
func (c Config) keyFile() []byte {
	text, err := os.ReadFile(c.PublicKeyFile)
	if err != nil {
		return nil
	}
	return text
}

// readers are the public keys to encrypt for.
func (c Config) readers() ([]*rsa.PublicKey, error) {
	text := []byte(c.PublicKey)
	switch {
	case c.PublicKey != "" && c.PublicKeyFile != "":
		return nil, errors.New("PUBKEY and PUBKEY_FILE: both are set; hint: keep one")
	case c.PublicKeyFile != "":
		var err error
		if text, err = readFile("PUBKEY_FILE", c.PublicKeyFile); err != nil {
			return nil, err
		}
	case c.PublicKey == "":
		return nil, errors.New("PUBKEY: is not set; hint: set it to the PEM text of the key, or PUBKEY_FILE to its path")
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.keyVariable(), err)
	}
	if len(keys) > 1 && (c.Format == envelope.FormatRSA || c.Format == envelope.FormatJWE) {
		return nil, fmt.Errorf("%s: got %d public keys, FORMAT=%s takes exactly one; hint: FORMAT=envelope takes several", c.keyVariable(), len(keys), c.Format)
	}
	return keys, nil
}

// signingKey is what proves the sender; nil where none is set.
func (c Config) signingKey() (ed25519.PrivateKey, error) {
	if c.SigningKeyFile == "" || c.Format == envelope.FormatRSA {
		return nil, nil
	}
	text, err := readFile("SIGNING_KEY_FILE", c.SigningKeyFile)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key, err := envelope.ParseSigningKey(text)
	if err != nil {
		return nil, fmt.Errorf("SIGNING_KEY_FILE: %w; hint: openssl genpkey -algorithm ed25519 makes one", err)
	}
	return key, nil
}

// readFile reports a cause without the path, which is the variable's value.
func readFile(variable, path string) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator says which
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = pathError.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: reading the file: %w", variable, err)
	}
	return text, nil
}

// prefix is the longest that a message's prefix becomes: with COUNT that of the last message, else one of ten
// digits, which ten messages a second reach after thirty years.
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
