package consumer

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web"
)

// Config holds every setting of the consumer. Load fills it from the
// environment; a literal works too, as the lab does it.
type Config struct {
	kafkaconf.Settings

	Topic string `envconfig:"TOPIC" default:"my-topic" desc:"topic to read"`
	Group string `envconfig:"CONSUMERGROUP" default:"strimzikafkaconsumergroupid" desc:"consumer group to join"`

	KeyNames    string `envconfig:"SkrClientKID" desc:"name of the key in the vault; several separated by commas; set all three of SkrClient…, or none: then no key is asked for"`
	MAAEndpoint string `envconfig:"SkrClientMAAEndpoint" desc:"host name of the attestation service, without https://"`
	AKVEndpoint string `envconfig:"SkrClientAKVEndpoint" desc:"host name of the vault, without https://"`
	SkrURL      string `envconfig:"SKR_URL" default:"http://localhost:8080" desc:"address of the key-release sidecar"`
	TokenFile   string `envconfig:"SKR_ACCESS_TOKEN_FILE" desc:"file with an access token for the vault, instead of the pod's identity"`

	KeyProvider       string `envconfig:"KEY_PROVIDER" default:"skr" desc:"where keys come from: skr (Azure's sidecar), cdh (data hub of Confidential Containers; SkrClientKID is then REPO/TYPE/TAG), file (for development: nothing is attested)"`
	HubURL            string `envconfig:"CDH_URL" default:"http://127.0.0.1:8006" desc:"address of the data hub, for KEY_PROVIDER=cdh"`
	KeyFile           string `envconfig:"KEY_FILE" desc:"file with the private key (JWK or PEM), for KEY_PROVIDER=file"`
	AttestationCAFile string `envconfig:"ATTESTATION_CA_FILE" desc:"file with the roots (PEM) that the attestation service's certificate is checked with, instead of the system's"`
	PolicyFile        string `envconfig:"RELEASE_POLICY_FILE" desc:"file with a copy of the key's release policy, for comparison on the page only"`

	UnpackedBytes int `envconfig:"KAFKA_UNPACKED_BYTES" default:"16777216" desc:"memory that a compressed batch may take once unpacked, 8388608 to 1073741824; one that takes more is shown as too large, and passed over"`

	TrustedSendersFile string `envconfig:"TRUSTED_SENDERS_FILE" desc:"file with the Ed25519 public keys of senders (PEM), each with the sender's name in a line before it"`

	WebAddr    string `envconfig:"WEB_ADDR" default:":3333" desc:"address of the page"`
	WebHistory int    `envconfig:"WEB_HISTORY" default:"1000" desc:"records kept for the page, 1 to 100000, of at most 32 MiB with their ciphertext"`
	WebNotice  string `envconfig:"WEB_NOTICE" desc:"a line shown above everything on the page"`
	web.Access
	MetricsAddr string `envconfig:"METRICS_ADDR" default:":9464" desc:"address of /metrics, /healthz and /readyz; empty: none; another one for each program where several run on one machine"`
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
	if c.UnpackedBytes < leastUnpacked || c.UnpackedBytes > mostUnpacked {
		problem("KAFKA_UNPACKED_BYTES", fmt.Sprintf("must be %d to %d", leastUnpacked, mostUnpacked))
	}
	errs = append(errs, kafkaconf.CheckAddr("WEB_ADDR", c.WebAddr))
	if c.MetricsAddr != "" {
		errs = append(errs, kafkaconf.CheckAddr("METRICS_ADDR", c.MetricsAddr))
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
	errs = append(errs, c.checkKeys(), c.CheckAccess())
	return errors.Join(errs...)
}

// trustedSenders are those whose signatures count; nobody where no file is set.
func (c Config) trustedSenders() ([]envelope.TrustedSender, error) {
	if c.TrustedSendersFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.TrustedSendersFile)
	if err != nil {
		return nil, inVariable("TRUSTED_SENDERS_FILE", err)
	}
	senders, err := envelope.ParseTrustedSenders(text)
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_SENDERS_FILE: %w (hint: (echo NAME; openssl pkey -in signing.pem -pubout) makes an entry)", err)
	}
	return senders, nil
}

// saramaConfig adds what a member of the group needs.
func (c Config) saramaConfig(s standIn) (*sarama.Config, error) {
	conf, err := c.Sarama("consume")
	if err != nil {
		return nil, err
	}
	// Before sarama sees what is fetched: it would unpack whatever a writer has packed.
	kafkaconf.Wrap(conf, func(conn net.Conn) net.Conn { return newWire(conn, c.UnpackedBytes, s) })
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest // a new group misses nothing
	conf.Consumer.Return.Errors = true                  // they are states on the page
	// A topic that is missing must be seen as missing, not made by asking for it.
	conf.Metadata.AllowAutoTopicCreation = false
	// Few tries inside, since the reader itself tries for ever and says so.
	conf.Metadata.Retry.Max = 1
	// Batches wait in a queue that counts bytes; this one counts records, which may take KAFKA_UNPACKED_BYTES each.
	conf.ChannelBufferSize = 8
	// Large enough that the way to the broker and back is not what takes the time; each partition may hold two.
	conf.Consumer.Fetch.Default = 2 << 20
	// As much as fits into memory with what sarama makes of it, else the rest would be fetched again.
	conf.Consumer.Fetch.MaxBytes = int32(c.UnpackedBytes / 2) //nolint:gosec // at most half a gigabyte
	// Notice new partitions.
	conf.Metadata.RefreshFrequency = 15 * time.Second
	return conf, nil
}
