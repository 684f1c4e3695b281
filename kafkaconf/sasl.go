package kafkaconf

import (
	"errors"
	"strings"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"kafka-e2ee/settings"
)

const (
	plain       = sarama.SASLTypePlaintext
	scram256    = sarama.SASLTypeSCRAMSHA256
	scram512    = sarama.SASLTypeSCRAMSHA512
	oauthBearer = sarama.SASLTypeOAuth
)

func (s Settings) mechanism() sarama.SASLMechanism {
	switch {
	case s.Mechanism != "" || !s.eventHubs():
		return sarama.SASLMechanism(s.Mechanism)
	case s.ConnectionStringFile != "":
		return plain
	}
	return oauthBearer
}

func (s Settings) checkSASL() error {
	passwords := []variable{{"KAFKA_SASL_USER", s.User}, {"KAFKA_SASL_PASSWORD_FILE", s.PasswordFile}, {"KAFKA_CONNECTION_STRING_FILE", s.ConnectionStringFile}}
	tokens := []variable{{"KAFKA_TOKEN_FILE", s.TokenFile}, {"KAFKA_AZURE_SCOPE", s.AzureScope}, {"KAFKA_AZURE_IDENTITY", s.AzureIdentity}}
	if !s.usesSASL() {
		const why = "is for signing in only (hint: set KAFKA_SECURITY_PROTOCOL to SASL_SSL)"
		return errors.Join(unused(why, variable{"KAFKA_SASL_MECHANISM", s.Mechanism}), unused(why, passwords...), unused(why, tokens...))
	}
	var ignored, err error
	switch s.mechanism() {
	case plain, scram256, scram512:
		_, _, err = s.password()
		ignored = unused("is for OAUTHBEARER only", tokens...)
	case oauthBearer:
		_, err = s.tokens()
		ignored = unused("is not for OAUTHBEARER", passwords...)
	default:
		return settings.Errorf("KAFKA_SASL_MECHANISM", "want PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
	}
	if readable := s.mechanism() == plain || s.mechanism() == oauthBearer; readable && !s.usesTLS() && !s.CredentialsInClear {
		err = errors.Join(settings.Errorf("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT would show the password or token to the network "+
			"(hint: set SASL_SSL, or a SCRAM mechanism, or else KAFKA_INSECURE_CREDENTIALS_IN_CLEAR=true)"), err)
	}
	return errors.Join(ignored, err)
}

// password reads the current credentials for PLAIN and SCRAM.
func (s Settings) password() (user, password string, err error) {
	if s.ConnectionStringFile != "" {
		if s.mechanism() != plain || s.User != "" || s.PasswordFile != "" {
			return "", "", settings.Errorf("KAFKA_CONNECTION_STRING_FILE", "is for PLAIN only, in place of user and password")
		}
		password, err = s.connectionString()
		return connectionStringUser, password, err
	}
	var problems []error
	if s.User == "" {
		problems = append(problems, settings.Errorf("KAFKA_SASL_USER", "is not set"))
	}
	if strings.ContainsRune(s.User, 0) {
		problems = append(problems, settings.Errorf("KAFKA_SASL_USER", "holds a zero byte"))
	}
	if s.PasswordFile == "" {
		problems = append(problems, settings.Errorf("KAFKA_SASL_PASSWORD_FILE", "is not set"))
	} else if password, err = settings.ReadLine("KAFKA_SASL_PASSWORD_FILE", s.PasswordFile); err != nil {
		problems = append(problems, err)
	}
	return s.User, password, errors.Join(problems...)
}

// scramConversation is one sign-in with SCRAM (RFC 5802).
type scramConversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

// minIterations is Kafka's own minimum. Fewer would make it easy to guess the password from the exchange.
const minIterations = 4096

// Begin implements sarama.SCRAMClient.
func (c *scramConversation) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err != nil {
		return settings.Errorf("KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE", "hold characters that SCRAM does not allow (RFC 4013)")
	}
	c.ClientConversation = client.WithMinIterations(minIterations).NewConversation()
	return nil
}

func newSCRAM(mechanism sarama.SASLMechanism) func() sarama.SCRAMClient {
	hash := scram.SHA512
	if mechanism == scram256 {
		hash = scram.SHA256
	}
	return func() sarama.SCRAMClient { return &scramConversation{hash: hash} }
}
