package consumer

import (
	"errors"
	"slices"

	"kafka-e2ee/consumer/fetchlimit"
	"kafka-e2ee/consumer/keys"
	"kafka-e2ee/envelope"
	"kafka-e2ee/health"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/settings"
	"kafka-e2ee/web/access"
)

// Config holds every setting of the consumer. Load fills it from the environment; a literal works, too.
type Config struct {
	kafkaconf.Settings

	Topic    string `envconfig:"TOPIC" empty:"default" default:"my-topic" desc:"topic to read"`
	MirrorOf string `envconfig:"TOPIC_MIRROR_OF" desc:"topic from which another program, such as MirrorMaker, copies the records of TOPIC; they must have been sealed for it. Moved and late records are then normal; empty: TOPIC holds no copies"`
	Group    string `envconfig:"CONSUMERGROUP" empty:"default" default:"strimzikafkaconsumergroupid" desc:"consumer group to join"`

	Keys keys.Settings

	Isolation     string `envconfig:"KAFKA_ISOLATION" default:"read_committed" desc:"read_committed (also if empty): show records of a transaction after it is committed; read_uncommitted: show them at once, even if the transaction is aborted later"`
	UnpackedBytes int    `envconfig:"KAFKA_UNPACKED_BYTES" default:"16777216" desc:"largest size of a compressed batch when unpacked, 8388608 to 1073741824 bytes; a larger batch is skipped and shown as too large"`

	TrustedSenders     string `envconfig:"TRUSTED_SENDERS" desc:"Ed25519 public keys of trusted senders (PEM), each after a line with the sender's name; the policy of a confidential pod measures them"`
	TrustedSendersFile string `envconfig:"TRUSTED_SENDERS_FILE" desc:"file with the trusted senders, instead of TRUSTED_SENDERS; whoever may change the file decides who is trusted"`

	RequireFormat  string `envconfig:"REQUIRE_FORMAT" desc:"formats that are accepted: rsa, envelope, jwe, separated by commas; records that are not encrypted, or in another format, are rejected; empty: all are shown"`
	RequireSender  string `envconfig:"REQUIRE_SENDER" desc:"verified: reject records without a verified sender; or ids of trusted senders' signing keys, separated by commas: also reject those of other senders; empty: all are shown"`
	AllowedReaders string `envconfig:"ALLOWED_READERS" desc:"held: reject records that others than this program can read; held,ID,…: except for these keys; empty: such records are flagged. Records of the format rsa do not name their readers"`
	RequireFresh   bool   `envconfig:"REQUIRE_FRESH" desc:"true: reject records that were held back, or written again after their data key expired; needs REQUIRE_SENDER; false: such records are flagged"`

	WebHistory int    `envconfig:"WEB_HISTORY" default:"1000" desc:"number of records kept for the page, 1 to 100000; together they take at most 32 MiB with their ciphertext"`
	WebName    string `envconfig:"WEB_NAME" desc:"the pod's name, as the page's title and heading; confidential and ordinary select translated texts; at most 60 bytes"`
	WebNotice  string `envconfig:"WEB_NOTICE" desc:"a line of text to show at the top of the page; lab and lab_ordinary select translated texts"`
	WebVerify  string `envconfig:"WEB_VERIFY_COMMAND" desc:"command that the page shows to verify WEB_ATTESTED_ADDR from outside, if viewers need another port, as behind a load balancer, or further options; at most 500 bytes; empty: verify, with the first of WEB_HOSTS and the port of WEB_ATTESTED_ADDR"`
	WebExport  bool   `envconfig:"WEB_EXPORT" default:"false" desc:"true: the page offers the records that its filter selects as a file (JSON lines, CSV), and the log says who takes one; false: there is no such file"`
	Access     access.Settings
	health.Config

	ignoredVariables string  // what to use instead of the original program's variables that are set
	inputs           *inputs // nil in a literal
}

// inputs are read from the files that the settings name, once the settings are checked.
type inputs struct {
	keys   *keys.Source
	opener envelope.OpenerConfig
}

// The values of KAFKA_ISOLATION.
const (
	readCommitted   = "read_committed"
	readUncommitted = "read_uncommitted"
)

// maxHistory bounds WEB_HISTORY: the feed's index grows with it.
const maxHistory = 100_000

// maxName bounds WEB_NAME, in bytes: it must fit on one line of the page.
const maxName = 60

// maxCommand bounds WEB_VERIFY_COMMAND, in bytes.
const maxCommand = 500

// Load reads the settings through lookup, usually os.LookupEnv, and checks them. The error names every variable that is
// wrong, and no value. Do not change the result: Run does not check it again.
func Load(lookup func(string) (string, bool)) (Config, error) {
	var cfg Config
	loadErr := settings.Load(&cfg, lookup)
	cfg.ignoredVariables = kafkaconf.IgnoredVariables(lookup)
	var checkErr, templErr error
	cfg.inputs, checkErr = cfg.check()
	if _, set := lookup("TEMPL_DEV_MODE"); set {
		templErr = settings.Errorf("TEMPL_DEV_MODE", "must not be set: it makes the page's texts come from files")
	}
	return cfg, errors.Join(loadErr, checkErr, templErr)
}

// check checks the settings and reads the files that they name. The error joins all problems.
func (c Config) check() (*inputs, error) {
	errs := []error{
		c.Check(), kafkaconf.CheckTopic("TOPIC", c.Topic), c.Access.Check(), c.CheckMetricsAddr(),
	}
	problem := func(variable, format string, args ...any) {
		errs = append(errs, settings.Errorf(variable, format, args...))
	}
	if c.Access.PlainAddr() == "" && c.Access.AttestedAddr == "" {
		problem("WEB_ADDR", "want HOST:PORT, or :PORT for every interface; none only if WEB_ATTESTED_ADDR is set")
	}
	if c.MirrorOf != "" {
		errs = append(errs, kafkaconf.CheckTopic("TOPIC_MIRROR_OF", c.MirrorOf))
	}
	if c.WebHistory < 1 || c.WebHistory > maxHistory {
		problem("WEB_HISTORY", "must be 1 to %d", maxHistory)
	}
	if len(c.WebVerify) > maxCommand {
		problem("WEB_VERIFY_COMMAND", "must have at most %d bytes", maxCommand)
	}
	if len(c.WebName) > maxName {
		problem("WEB_NAME", "must have at most %d bytes", maxName)
	}
	if !slices.Contains([]string{"", readCommitted, readUncommitted}, c.Isolation) {
		problem("KAFKA_ISOLATION", "want read_committed or read_uncommitted")
	}
	if c.UnpackedBytes < fetchlimit.MinBatch || c.UnpackedBytes > fetchlimit.MaxBatch {
		problem("KAFKA_UNPACKED_BYTES", "must be %d to %d", fetchlimit.MinBatch, fetchlimit.MaxBatch)
	}
	if c.Group == "" {
		problem("CONSUMERGROUP", "must not be empty")
	}
	opener, err := c.openerConfig()
	errs = append(errs, err)
	source, err := c.Keys.Open()
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return &inputs{keys: source, opener: opener}, nil
}

// openerConfig returns whose signatures count, and which records are accepted.
func (c Config) openerConfig() (opener envelope.OpenerConfig, err error) {
	senders, sendersErr := c.trustedSenders()
	opener.TrustedSenders = senders
	parse := func(variable, value, want string, set func(string) error) error {
		if value == "" || set(value) == nil {
			return nil
		}
		return settings.Errorf(variable, "want %s", want) // without the value
	}
	if err := errors.Join(
		sendersErr,
		parse("REQUIRE_FORMAT", c.RequireFormat, "rsa, envelope or jwe, separated by commas", opener.Require.ParseFormats),
		parse("REQUIRE_SENDER", c.RequireSender, "verified, or ids of signing keys, separated by commas (hint: envelope thumbprint FILE prints an id)", opener.Require.ParseSenders),
		parse("ALLOWED_READERS", c.AllowedReaders, "held, or held and ids of keys, separated by commas (hint: envelope thumbprint FILE prints an id)", opener.Require.ParseReaders),
	); err != nil {
		return opener, err
	}
	if opener.Require.Fresh = c.RequireFresh; c.RequireFresh && c.RequireSender == "" {
		return opener, settings.Errorf("REQUIRE_FRESH", "needs REQUIRE_SENDER (hint: anyone can date a record that is not signed)")
	}
	if err := opener.Validate(); err != nil { // only a required sender can be impossible
		return opener, settings.Errorf("REQUIRE_SENDER", "%w (hint: TRUSTED_SENDERS or TRUSTED_SENDERS_FILE names the senders)", err)
	}
	return opener, nil
}

// trustedSenders reads the senders whose signatures count. If no senders are set there are none.
func (c Config) trustedSenders() ([]envelope.TrustedSender, error) {
	source, err := settings.OneOf("TRUSTED_SENDERS", c.TrustedSenders, c.TrustedSendersFile)
	if err != nil || !source.IsSet() {
		return nil, err
	}
	text, err := source.Read()
	if err != nil {
		return nil, err
	}
	senders, err := envelope.ParseTrustedSenders(text)
	if err != nil {
		return nil, settings.Errorf(source.Variable, "%w (hint: (echo NAME; openssl pkey -in signing.pem -pubout) makes an entry)", err)
	}
	return senders, nil
}
