package kafkaconf

import (
	"errors"
	"strings"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
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
	var problems []error
	// unused reports variables that would do nothing: what was meant is something else.
	unused := func(why string, names ...string) {
		for _, name := range names {
			if s.signIn(name) != "" {
				problems = append(problems, &problem{name, why})
			}
		}
	}
	if !s.usesSASL() {
		unused("is for signing in only; hint: set KAFKA_SECURITY_PROTOCOL to SASL_SSL", "KAFKA_SASL_MECHANISM",
			"KAFKA_SASL_USER", "KAFKA_SASL_PASSWORD_FILE", "KAFKA_CONNECTION_STRING_FILE", "KAFKA_TOKEN_FILE", "KAFKA_AZURE_SCOPE")
		return errors.Join(problems...)
	}
	var err error
	switch s.mechanism() {
	case plain, scram256, scram512:
		_, _, err = s.password()
		unused("is for OAUTHBEARER only", "KAFKA_TOKEN_FILE", "KAFKA_AZURE_SCOPE")
	case oauthBearer:
		_, err = s.tokens()
		unused("is not for OAUTHBEARER", "KAFKA_SASL_USER", "KAFKA_SASL_PASSWORD_FILE", "KAFKA_CONNECTION_STRING_FILE")
	default:
		return &problem{"KAFKA_SASL_MECHANISM", "want PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"}
	}
	if clear := s.mechanism() == plain || s.mechanism() == oauthBearer; clear && !s.usesTLS() && !s.CredentialsInClear {
		problems = append(problems, &problem{"KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT would show the password or token to the network; " +
			"hint: set SASL_SSL, or a SCRAM mechanism, or else KAFKA_INSECURE_CREDENTIALS_IN_CLEAR=true"})
	}
	return errors.Join(append(problems, err)...)
}

// signIn is the value of one of the variables about signing in.
func (s Settings) signIn(name string) string {
	return map[string]string{
		"KAFKA_SASL_MECHANISM": s.Mechanism, "KAFKA_SASL_USER": s.User, "KAFKA_SASL_PASSWORD_FILE": s.PasswordFile,
		"KAFKA_CONNECTION_STRING_FILE": s.ConnectionStringFile, "KAFKA_TOKEN_FILE": s.TokenFile, "KAFKA_AZURE_SCOPE": s.AzureScope,
	}[name]
}

// password is that of the moment.
func (s Settings) password() (user, password string, err error) {
	if s.ConnectionStringFile != "" {
		if s.mechanism() != plain || s.User != "" || s.PasswordFile != "" {
			return "", "", &problem{"KAFKA_CONNECTION_STRING_FILE", "is for PLAIN only, in place of user and password"}
		}
		password, err = s.connectionString()
		return connectionStringUser, password, err
	}
	var problems []error
	if s.User == "" {
		problems = append(problems, &problem{"KAFKA_SASL_USER", "is not set"})
	}
	if strings.ContainsRune(s.User, 0) {
		problems = append(problems, &problem{"KAFKA_SASL_USER", "holds a zero byte"})
	}
	if s.PasswordFile == "" {
		problems = append(problems, &problem{"KAFKA_SASL_PASSWORD_FILE", "is not set"})
	} else if password, err = readSecret("KAFKA_SASL_PASSWORD_FILE", s.PasswordFile); err != nil {
		problems = append(problems, err)
	}
	return s.User, password, errors.Join(problems...)
}

// conversation is one sign-in with SCRAM (RFC 5802).
type conversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

// leastIterations is what Kafka itself demands. A broker that asks for fewer wants the password to be easy to guess.
const leastIterations = 4096

// Begin starts the conversation, as sarama.SCRAMClient says.
func (c *conversation) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err != nil {
		return &problem{"KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE", "hold characters that SCRAM does not allow (RFC 4013)"}
	}
	c.ClientConversation = client.WithMinIterations(leastIterations).NewConversation()
	return nil
}

func newConversation(mechanism sarama.SASLMechanism) func() sarama.SCRAMClient {
	hash := scram.SHA512
	if mechanism == scram256 {
		hash = scram.SHA256
	}
	return func() sarama.SCRAMClient { return &conversation{hash: hash} }
}
