package realkafka

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/testcontainers/testcontainers-go"

	"kafka-e2ee/e2e/harness"
)

// Secured is a broker with a listener for each way to secure Kafka, and with access control: users may do only what they
// are granted.
type Secured struct {
	Kafka     // at the operator's listener, which allows everything
	T         testing.TB
	CA        *Authority
	Tokens    *rsa.PrivateKey
	Listeners map[string]string // address by name
	Dir       string            // of the client's files
}

// securedListeners are the protocols of the listeners: TLS alone, with client certificates, with an expired certificate;
// passwords over TLS and in the clear; tokens.
var securedListeners = map[string]string{
	"ADMIN": "PLAINTEXT", "TLS": "SSL", "MTLS": "SSL", "EXPIRED": "SSL", "SASL": "SASL_SSL", "CLEAR": "SASL_PLAINTEXT", "OAUTH": "SASL_SSL",
}

// Reauthentication is how long a client may stay connected before it must sign in again. Clients do so from 0.5 s before its
// end: with a shorter time, a request of a busy machine would reach the broker too late.
const Reauthentication = 10 * time.Second

// StartSecured starts the broker and writes ca.pem for its clients.
func StartSecured(t testing.TB) *Secured {
	t.Helper()
	return startSecured(t, nil)
}

// StartSecuredOnSmallDisk is StartSecured with a disk that can be filled. It is in memory, and empty after a restart.
func StartSecuredOnSmallDisk(t testing.TB) *Secured {
	t.Helper()
	return startSecured(t, map[string]string{"/var/lib/kafka/data": "mode=1777,size=" + small})
}

func startSecured(t testing.TB, disks map[string]string) *Secured {
	t.Helper()
	harness.Require(t, harness.Engine, harness.KafkaImage)
	plainTestcontainers()
	harness.ReserveKafka(t, 1)
	tokens := harness.NewKeyOf(t, 2048)
	k := &Secured{T: t, CA: NewAuthority(t, "test authority"), Tokens: tokens, Listeners: map[string]string{}, Dir: t.TempDir()}
	image := harness.KafkaImageName(t)
	ports := nat.PortMap{}
	var listeners, advertised, kinds, exposed []string
	inside := 9200
	for name, kind := range securedListeners {
		port := strconv.Itoa(harness.FreePort(t))
		k.Listeners[name] = "localhost:" + port
		listeners, advertised, kinds = append(listeners, fmt.Sprintf("%s://:%d", name, inside)), append(advertised, fmt.Sprintf("%s://localhost:%s", name, port)), append(kinds, name+":"+kind)
		ports[nat.Port(fmt.Sprintf("%d/tcp", inside))] = []nat.PortBinding{{HostIP: "127.0.0.1", HostPort: port}}
		exposed = append(exposed, fmt.Sprintf("%d/tcp", inside))
		inside++
	}
	k.Addr = k.Listeners["ADMIN"]
	validator := "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
	if strings.Contains(image, "confluent-local:7") { // Kafka 3
		validator = strings.Replace(validator, "oauthbearer.", "oauthbearer.secured.", 1)
	}
	properties := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9190
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTER
listeners=CONTROLLER://:9190,INTER://:9191,%s
advertised.listeners=INTER://localhost:9191,%s
listener.security.protocol.map=CONTROLLER:PLAINTEXT,INTER:PLAINTEXT,%s
log.dirs=/var/lib/kafka/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=/tls/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=/tls/ca.pem
listener.name.mtls.ssl.client.auth=required
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location=/tls/expired.pem
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
connections.max.reauth.ms=%d
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.oauth.oauthbearer.sasl.server.callback.handler.class=%s
sasl.oauthbearer.jwks.endpoint.url=file:///tls/jwks.json
sasl.oauthbearer.expected.audience=kafka
sasl.oauthbearer.expected.issuer=test
`, strings.Join(listeners, ","), strings.Join(advertised, ","), strings.Join(kinds, ","), Reauthentication.Milliseconds(), validator)
	for _, listener := range []string{"sasl", "clear"} {
		properties += fmt.Sprintf("listener.name.%s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=\"%s\";\n", listener, harness.KafkaUser, harness.PlainPassword)
		for _, scram := range []string{"scram-sha-256", "scram-sha-512"} {
			properties += fmt.Sprintf("listener.name.%s.%s.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n", listener, scram)
		}
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &tokens.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	files := k.BrokerFiles(k.CA)
	files["jwks.json"], files["server.properties"] = string(jwks), properties
	files["start"] = `#!/bin/sh
set -e
kafka-storage format --ignore-formatted -t a2Fma2EtZTJlZS10ZXN0cw -c /tls/server.properties
export KAFKA_HEAP_OPTS='-Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1' KAFKA_OPTS=-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file:///tls/jwks.json
if command -v kafka-server-start; then exec kafka-server-start /tls/server.properties; fi
exec java $KAFKA_HEAP_OPTS $KAFKA_OPTS -Dlog4j2.configurationFile=/etc/kafka/log4j2.properties -cp '/opt/kafka/libs/*' kafka.Kafka /tls/server.properties
`
	var copied []testcontainers.ContainerFile
	for name, text := range files {
		copied = append(copied, testcontainers.ContainerFile{Reader: strings.NewReader(text), ContainerFilePath: "/tls/" + name, FileMode: 0o755})
	}
	c, err := testcontainers.Run(context.Background(), image, testcontainers.WithEntrypoint("/tls/start"), testcontainers.WithCmd(), testcontainers.WithFiles(copied...), testcontainers.WithExposedPorts(exposed...),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) { host.PortBindings, host.Tmpfs = ports, disks }))
	k.ID = started(t, c, err)
	k.Ready()
	k.WriteFile("ca.pem", k.CA.PEM())
	return k
}

// BrokerFiles returns the broker's certificates and the authority that it trusts.
func (k *Secured) BrokerFiles(ca *Authority) map[string]string {
	good, goodKey := ca.Issue("broker", time.Hour)
	old, oldKey := ca.Issue("old broker", -time.Hour)
	return map[string]string{"broker.pem": goodKey + good, "expired.pem": oldKey + old, "ca.pem": ca.PEM()}
}

// Ready waits until the broker answers.
func (k *Secured) Ready() {
	k.T.Helper()
	var err error
	for end := time.Now().Add(3 * harness.Timeout); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var client sarama.Client
		if client, err = sarama.NewClient(k.ListenAddrs(), nil); err == nil {
			_ = client.Close()
			return
		}
	}
	k.T.Fatalf("Kafka does not start: %v: %s", err, harness.Docker(k.T, "logs", "--tail", "40", k.ID))
}

// WriteFile writes a client's file and returns its path.
func (k *Secured) WriteFile(name, text string) string {
	k.T.Helper()
	path := filepath.Join(k.Dir, name)
	harness.ReplaceFile(k.T, path, text)
	return path
}

// Token returns a token for the user, as the broker expects it if the key is k.Tokens.
func (k *Secured) Token(key *rsa.PrivateKey, lasts time.Duration) string {
	k.T.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		k.T.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"sub": harness.KafkaUser, "aud": "kafka", "iss": "test", "iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(lasts).Unix(), "scope": "write",
	}).Serialize()
	if err != nil {
		k.T.Fatal(err)
	}
	return text
}

// SetPassword sets a user's password for SCRAM.
func (k *Secured) SetPassword(name, text string) {
	k.T.Helper()
	for _, mechanism := range []sarama.ScramMechanismType{sarama.SCRAM_MECHANISM_SHA_256, sarama.SCRAM_MECHANISM_SHA_512} {
		salt := make([]byte, 16)
		if _, err := rand.Read(salt); err != nil {
			k.T.Fatal(err)
		}
		answers, err := harness.Admin(k.T, k).UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{
			{Name: name, Mechanism: mechanism, Iterations: 8192, Salt: salt, Password: []byte(text)},
		})
		if err != nil || len(answers) != 1 || answers[0].ErrorCode != sarama.ErrNoError {
			k.T.Fatalf("%v, %v", answers, err)
		}
	}
}

// Grant allows a user operations on a topic or a group.
func (k *Secured) Grant(name string, kind sarama.AclResourceType, resource string, operations ...sarama.AclOperation) {
	k.T.Helper()
	for _, operation := range operations {
		if err := harness.Admin(k.T, k).CreateACLs([]*sarama.ResourceAcls{{
			Resource: sarama.Resource{ResourceType: kind, ResourceName: resource, ResourcePatternType: sarama.AclPatternLiteral},
			Acls:     []*sarama.Acl{{Principal: "User:" + name, Host: "*", Operation: operation, PermissionType: sarama.AclPermissionAllow}},
		}}); err != nil {
			k.T.Fatal(err)
		}
	}
}

// Revoke takes all rights to a topic from a user.
func (k *Secured) Revoke(name, topic string) {
	k.T.Helper()
	principal := "User:" + name
	gone, err := harness.Admin(k.T, k).DeleteACL(sarama.AclFilter{
		ResourceType: sarama.AclResourceTopic, ResourceName: &topic, ResourcePatternTypeFilter: sarama.AclPatternLiteral,
		Principal: &principal, Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}, false)
	if err != nil || len(gone) == 0 {
		k.T.Fatalf("revoking: %v, %v", gone, err)
	}
}

// CreateTopic creates a topic, and grants users what both programs need, and nothing else.
func (k *Secured) CreateTopic(name string, users ...string) {
	k.T.Helper()
	if err := harness.Admin(k.T, k).CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		k.T.Fatal(err)
	}
	for _, user := range users {
		k.Grant(user, sarama.AclResourceTopic, name, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribe)
		k.Grant(user, sarama.AclResourceGroup, "group", sarama.AclOperationRead)
	}
}

// Settings returns the variables for a listener, and more.
func (k *Secured) Settings(listener string, more ...string) []string {
	return append([]string{"BROKERS=" + k.Listeners[listener], "KAFKA_SECURITY_PROTOCOL=" + securedListeners[listener]}, more...)
}
