package consumer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/skrclient"
)

// Config holds every setting of the consumer. Load fills it from the
// environment; a literal works too, as the lab does it.
type Config struct {
	kafkaconf.Settings

	Topic string `envconfig:"TOPIC" default:"my-topic" desc:"topic to read"`
	Group string `envconfig:"CONSUMERGROUP" default:"strimzikafkaconsumergroupid" desc:"consumer group to join"`

	KeyNames    string `envconfig:"SkrClientKID" desc:"name of the key in the vault; several separated by commas"`
	MAAEndpoint string `envconfig:"SkrClientMAAEndpoint" desc:"host name of the attestation service, without https://"`
	AKVEndpoint string `envconfig:"SkrClientAKVEndpoint" desc:"host name of the vault, without https://"`
	SkrURL      string `envconfig:"SKR_URL" default:"http://localhost:8080" desc:"address of the key-release sidecar"`
	TokenFile   string `envconfig:"SKR_ACCESS_TOKEN_FILE" desc:"file with an access token for the vault, instead of the pod's identity"`

	TrustedSendersFile string `envconfig:"TRUSTED_SENDERS_FILE" desc:"file with the Ed25519 public keys of senders (PEM), each with the sender's name in a line before it"`

	WebAddr     string `envconfig:"WEB_ADDR" default:":3333" desc:"address of the page"`
	WebHistory  int    `envconfig:"WEB_HISTORY" default:"1000" desc:"records kept for the page, 1 to 100000"`
	WebNotice   string `envconfig:"WEB_NOTICE" desc:"a line shown above everything on the page"`
	MetricsAddr string `envconfig:"METRICS_ADDR" default:":9464" desc:"address of /metrics, /healthz and /readyz; empty: none"`
}

// Load reads the settings through lookup (os.LookupEnv). The error names every
// variable that is wrong, and no value.
func Load(lookup func(string) (string, bool)) (Config, error) {
	var cfg Config
	problems := []error{kafkaconf.Load(&cfg, lookup), cfg.check()}
	if _, set := lookup("TEMPL_DEV_MODE"); set {
		problems = append(problems, errors.New("TEMPL_DEV_MODE: must not be set: it makes the page's texts come from files"))
	}
	return cfg, errors.Join(problems...)
}

// maxHistory bounds WEB_HISTORY: the feed's index grows with it.
const maxHistory = 100_000

func (c Config) check() error {
	errs := []error{c.Check()}
	problem := func(name, what string) { errs = append(errs, fmt.Errorf("%s: %s", name, what)) }
	if c.WebHistory < 1 || c.WebHistory > maxHistory {
		problem("WEB_HISTORY", fmt.Sprintf("must be 1 to %d", maxHistory))
	}
	if c.Topic == "" {
		problem("TOPIC", "must not be empty")
	}
	if c.Group == "" {
		problem("CONSUMERGROUP", "must not be empty")
	}
	if _, err := c.trustedSenders(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.sidecar(); err != nil {
		problem("SKR_URL", err.Error())
	}
	if c.asksForKey() {
		errs = append(errs, c.checkKeyNames(), checkHost("SkrClientMAAEndpoint", c.MAAEndpoint), checkHost("SkrClientAKVEndpoint", c.AKVEndpoint))
	}
	return errors.Join(errs...)
}

// trustedSenders are those whose signatures count; nobody where no file is set.
func (c Config) trustedSenders() ([]envelope.TrustedSender, error) {
	if c.TrustedSendersFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.TrustedSendersFile)
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = pathError.Err // without the path, which is the variable's value
	}
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_SENDERS_FILE: reading the file: %w", err)
	}
	senders, err := envelope.ParseTrustedSenders(text)
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_SENDERS_FILE: %w", err)
	}
	return senders, nil
}

// missing is what to do where one of the three that name a key is empty.
const missing = "is missing: set all of SkrClientKID, SkrClientMAAEndpoint, SkrClientAKVEndpoint, or none"

func (c Config) checkKeyNames() error {
	names := c.keyNames()
	if len(names) == 0 {
		return errors.New("SkrClientKID: " + missing)
	}
	for i, name := range names {
		if err := skrclient.CheckKeyName(name); err != nil {
			return fmt.Errorf("SkrClientKID: %w", err)
		}
		if slices.Contains(names[:i], name) {
			return errors.New("SkrClientKID: names a key twice")
		}
	}
	return nil
}

func checkHost(variable, value string) error {
	if value == "" {
		return errors.New(variable + ": " + missing)
	}
	if err := skrclient.CheckEndpoint(value); err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	return nil
}

// sidecar makes the client that asks for the keys; it does not connect.
func (c Config) sidecar() (*skrclient.Client, error) {
	return skrclient.New(skrclient.Config{URL: c.SkrURL, AccessTokenFile: c.TokenFile})
}

// asksForKey reports whether a key is named at all. Without one the consumer
// still runs, and says so.
func (c Config) asksForKey() bool {
	return c.KeyNames != "" || c.MAAEndpoint != "" || c.AKVEndpoint != ""
}

// keyNames splits SkrClientKID.
func (c Config) keyNames() []string {
	var names []string
	for name := range strings.SplitSeq(c.KeyNames, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// saramaConfig adds what a member of the group needs.
func (c Config) saramaConfig() (*sarama.Config, error) {
	conf, err := c.Sarama("consume")
	if err != nil {
		return nil, err
	}
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest // a new group misses nothing
	conf.Consumer.Return.Errors = true                  // they are states on the page
	// A topic that is missing must be seen as missing, not made by asking for it.
	conf.Metadata.AllowAutoTopicCreation = false
	// Few tries inside, since the reader itself tries for ever and says so.
	conf.Metadata.Retry.Max = 1
	// Notice new partitions, and a topic that was deleted and created again.
	conf.Metadata.RefreshFrequency = 15 * time.Second
	return conf, nil
}
