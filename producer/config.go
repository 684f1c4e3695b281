package producer

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
)

// ErrSettings marks an error that only other settings can mend.
var ErrSettings = errors.New("wrong settings")

// Config holds the producer's settings. None is secret: the key is the public one.
type Config struct {
	kafkaconf.Settings

	Topic         string `envconfig:"TOPIC" default:"my-topic" desc:"topic to write to"`
	Message       string `envconfig:"MSG" desc:"text that follows \"Msg 1: \", \"Msg 2: \" and so on"`
	PublicKey     string `envconfig:"PUBKEY" desc:"RSA public key to encrypt with, PEM (PKIX or PKCS#1), 2048 bits or more"`
	PublicKeyFile string `envconfig:"PUBKEY_FILE" desc:"file that holds the public key, instead of PUBKEY"`
	Count         uint64 `envconfig:"COUNT" default:"0" desc:"stop after that many messages; 0 means never"`
	MetricsAddr   string `envconfig:"METRICS_ADDR" default:":9464" desc:"address of /metrics and /healthz; empty means none"`

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

// MetricsAddr reads METRICS_ADDR alone, as Load does: what is wrong with other settings is for the program to say that
// runs with them.
func MetricsAddr(lookup func(string) (string, bool)) string {
	var cfg Config
	_ = kafkaconf.Load(&cfg, lookup) //nolint:errcheck // see above
	return cfg.MetricsAddr
}

// sealer checks the settings and makes of them what encrypts. The error joins all problems.
func (c Config) sealer() (*envelope.Sealer, error) {
	problems := []error{c.Check(), c.checkPace()}
	if c.Topic == "" {
		problems = append(problems, errors.New("TOPIC: is empty"))
	}
	sealer, err := c.sealerForKey()
	if err != nil {
		problems = append(problems, err)
	} else if got, limit := len(c.Message), sealer.MaxPlaintext()-len(c.prefix()); got > limit {
		problems = append(problems, fmt.Errorf("MSG: %d bytes, but this key holds at most %d beside the %q in front; hint: shorten it or use a larger key", got, limit, c.prefix()))
	}
	return sealer, errors.Join(problems...)
}

func (c Config) sealerForKey() (*envelope.Sealer, error) {
	name, text := "PUBKEY", []byte(c.PublicKey)
	switch {
	case c.PublicKey != "" && c.PublicKeyFile != "":
		return nil, errors.New("PUBKEY and PUBKEY_FILE: both are set; hint: keep one")
	case c.PublicKeyFile != "":
		name = "PUBKEY_FILE"
		var err error
		if text, err = os.ReadFile(c.PublicKeyFile); err != nil {
			// The cause without the path, which is the variable's value.
			if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
				err = pathError.Err
			}
			return nil, fmt.Errorf("%s: reading the file: %w", name, err)
		}
	case c.PublicKey == "":
		return nil, errors.New("PUBKEY: is not set; hint: set it to the PEM text of the key, or PUBKEY_FILE to its path")
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: envelope.FormatRSA, Topic: c.Topic, Readers: keys})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return sealer, nil
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
