package e2e_test

import (
	"time"

	"github.com/IBM/sarama"
)

// allow lets a user do what both programs need on the stage, and nothing else.
func (s *stage) allow(name string) {
	s.secured.grant(name, sarama.AclResourceTopic, s.topic, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribe)
	s.secured.grant(name, sarama.AclResourceGroup, s.topic, sarama.AclOperationRead)
}

// revoke takes the right to read and write the topic away.
func (s *stage) revoke(name string) {
	s.t.Helper()
	principal, topic := "User:"+name, s.topic
	gone, err := admin(s.t, s.cluster).DeleteACL(sarama.AclFilter{
		ResourceType: sarama.AclResourceTopic, ResourceName: &topic, ResourcePatternTypeFilter: sarama.AclPatternLiteral,
		Principal: &principal, Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}, false)
	if err != nil || len(gone) == 0 {
		s.t.Fatalf("revoking: %v, %v", gone, err)
	}
}

// signIn lets both programs sign in with a password.
func (s *stage) signIn() {
	k := s.secured
	k.password(user, scramPassword)
	s.allow(user)
	s.settings = k.at("SASL", "KAFKA_CA_FILE="+k.file("ca.pem", k.ca.pem()), "KAFKA_SASL_MECHANISM=SCRAM-SHA-512",
		"KAFKA_SASL_USER="+user, "KAFKA_SASL_PASSWORD_FILE="+k.file("password", scramPassword))
	s.pair()
}

// showCertificate lets both programs prove themselves with one.
func (s *stage) showCertificate() {
	k := s.secured
	s.allow("CN=client")
	s.certificate(time.Hour)
	s.settings = k.at("MTLS", "KAFKA_CA_FILE="+k.file("ca.pem", k.ca.pem()),
		"KAFKA_CLIENT_CERT_FILE="+k.dir+"/client.pem", "KAFKA_CLIENT_KEY_FILE="+k.dir+"/client.key")
	s.pair()
}

// certificate replaces the programs' own; one that lasts less than nothing has expired.
func (s *stage) certificate(lasts time.Duration) {
	cert, key := s.secured.ca.issue("client", lasts)
	s.secured.file("client.pem", cert)
	s.secured.file("client.key", key)
}

// expire lets the certificate expire, and ends the connections that were made
// with it: Kafka looks at it only when one is made.
func (s *stage) expire() {
	s.certificate(-time.Hour)
	docker(s.t, "restart", "-t", "0", s.secured.id)
	s.secured.ready()
}

func (s *stage) pair() {
	s.consume()
	s.consume()
}
