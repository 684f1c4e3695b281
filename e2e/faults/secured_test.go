package faults_test

import (
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
)

// allow grants a user what both programs need, and nothing else.
func (s *setup) allow(name string) {
	s.secured.Grant(name, sarama.AclResourceTopic, s.topic, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribe)
	s.secured.Grant(name, sarama.AclResourceGroup, s.topic, sarama.AclOperationRead)
}

// signIn starts consumers that sign in with a password.
func (s *setup) signIn() {
	k := s.secured
	k.SetPassword(harness.KafkaUser, harness.ScramPassword)
	s.allow(harness.KafkaUser)
	s.settings = k.Settings("SASL", "KAFKA_CA_FILE="+k.WriteFile("ca.pem", k.CA.PEM()), "KAFKA_SASL_MECHANISM=SCRAM-SHA-512",
		"KAFKA_SASL_USER="+harness.KafkaUser, "KAFKA_SASL_PASSWORD_FILE="+k.WriteFile("password", harness.ScramPassword))
	s.consumeTwice()
}

// useCertificates starts consumers with a client certificate.
func (s *setup) useCertificates() {
	k := s.secured
	s.allow("CN=client")
	s.renewCertificate(time.Hour)
	s.settings = k.Settings("MTLS", "KAFKA_CA_FILE="+k.WriteFile("ca.pem", k.CA.PEM()),
		"KAFKA_CLIENT_CERT_FILE="+k.Dir+"/client.pem", "KAFKA_CLIENT_KEY_FILE="+k.Dir+"/client.key")
	s.consumeTwice()
}

// renewCertificate replaces the clients' certificate. If lasts is negative, the new one has expired.
func (s *setup) renewCertificate(lasts time.Duration) {
	cert, key := s.secured.CA.Issue("client", lasts)
	s.secured.WriteFile("client.pem", cert)
	s.secured.WriteFile("client.key", key)
}

// expireCertificates lets the certificate expire, and ends the connections that were made with it: Kafka checks it only on
// a new connection.
func (s *setup) expireCertificates() {
	s.renewCertificate(-time.Hour)
	harness.Docker(s.t, "restart", "-t", "0", s.secured.ID)
	s.secured.Ready()
}

func (s *setup) consumeTwice() {
	s.consume()
	s.consume()
}
