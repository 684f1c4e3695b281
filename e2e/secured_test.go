package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/testcontainers/testcontainers-go"
)

// securedKafka is Apache Kafka with a listener for each way to secure it, and
// with access control: nobody may do anything that is not granted.
type securedKafka struct {
	realKafka // at the listener for its operator, who may do everything
	t         testing.TB
	ca        *authority
	tokens    *rsa.PrivateKey
	listeners map[string]string // address by name
	dir       string            // of the files that a client has
}

// The listeners: TLS alone, with client certificates, with an expired
// certificate; users and passwords over TLS and in the clear; tokens.
var securedListeners = map[string]string{
	"ADMIN": "PLAINTEXT", "TLS": "SSL", "MTLS": "SSL", "EXPIRED": "SSL", "SASL": "SASL_SSL", "CLEAR": "SASL_PLAINTEXT", "OAUTH": "SASL_SSL",
}

// reauthentication is how long a client that has signed in may stay connected.
const reauthentication = 5 * time.Second

const (
	user          = "app"
	plainPassword = "canary-plain-password"
	scramPassword = "canary-scram-password"
)

func startSecuredKafka(t testing.TB) *securedKafka {
	t.Helper()
	need(t, engine, kafkaImage)
	plainTestcontainers()
	tokens, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k := &securedKafka{t: t, ca: newAuthority(t, "test authority"), tokens: tokens, listeners: map[string]string{}, dir: t.TempDir()}
	image := chosenKafka(t)
	ports := nat.PortMap{}
	var listeners, advertised, kinds, exposed []string
	inside := 9200
	for name, kind := range securedListeners {
		addr := freeAddr(t)
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		k.listeners[name] = "localhost:" + port
		listeners, advertised, kinds = append(listeners, fmt.Sprintf("%s://:%d", name, inside)), append(advertised, fmt.Sprintf("%s://localhost:%s", name, port)), append(kinds, name+":"+kind)
		ports[nat.Port(fmt.Sprintf("%d/tcp", inside))] = []nat.PortBinding{{HostIP: "127.0.0.1", HostPort: port}}
		exposed = append(exposed, fmt.Sprintf("%d/tcp", inside))
		inside++
	}
	k.addr = k.listeners["ADMIN"]
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
`, strings.Join(listeners, ","), strings.Join(advertised, ","), strings.Join(kinds, ","), reauthentication.Milliseconds(), validator)
	for _, listener := range []string{"sasl", "clear"} {
		properties += fmt.Sprintf("listener.name.%s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=\"%s\";\n", listener, user, plainPassword)
		for _, scram := range []string{"scram-sha-256", "scram-sha-512"} {
			properties += fmt.Sprintf("listener.name.%s.%s.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n", listener, scram)
		}
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &tokens.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	files := k.brokerFiles(k.ca)
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
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) { host.PortBindings = ports }))
	k.id = started(t, c, err)
	k.ready()
	k.file("ca.pem", k.ca.pem())
	return k
}

// brokerFiles are what a broker proves itself with, and whom it trusts.
func (k *securedKafka) brokerFiles(ca *authority) map[string]string {
	good, goodKey := ca.issue("broker", time.Hour)
	old, oldKey := ca.issue("old broker", -time.Hour)
	return map[string]string{"broker.pem": goodKey + good, "expired.pem": oldKey + old, "ca.pem": ca.pem()}
}

// ready waits until the broker answers.
func (k *securedKafka) ready() {
	k.t.Helper()
	var err error
	for end := time.Now().Add(3 * patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var client sarama.Client
		if client, err = sarama.NewClient(k.ListenAddrs(), nil); err == nil {
			_ = client.Close()
			return
		}
	}
	k.t.Fatalf("Kafka does not start: %v: %s", err, docker(k.t, "logs", "--tail", "40", k.id))
}

// file writes a file of the client's, and gives its path.
func (k *securedKafka) file(name, text string) string {
	k.t.Helper()
	path := filepath.Join(k.dir, name)
	// As Kubernetes does it: all at once.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		k.t.Fatal(err)
	}
	return path
}

// token is signed as the broker expects it, for the user.
func (k *securedKafka) token(key *rsa.PrivateKey, lasts time.Duration) string {
	k.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"sub": user, "aud": "kafka", "iss": "test", "iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(lasts).Unix(), "scope": "write",
	}).Serialize()
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}

// password sets what the user signs in with through SCRAM.
func (k *securedKafka) password(name, text string) {
	k.t.Helper()
	for _, mechanism := range []sarama.ScramMechanismType{sarama.SCRAM_MECHANISM_SHA_256, sarama.SCRAM_MECHANISM_SHA_512} {
		salt := make([]byte, 16)
		if _, err := rand.Read(salt); err != nil {
			k.t.Fatal(err)
		}
		answers, err := admin(k.t, k).UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{
			{Name: name, Mechanism: mechanism, Iterations: 8192, Salt: salt, Password: []byte(text)},
		})
		if err != nil || len(answers) != 1 || answers[0].ErrorCode != sarama.ErrNoError {
			k.t.Fatalf("%v, %v", answers, err)
		}
	}
}

// grant lets a user do something with a topic or a group.
func (k *securedKafka) grant(name string, kind sarama.AclResourceType, resource string, operations ...sarama.AclOperation) {
	k.t.Helper()
	for _, operation := range operations {
		if err := admin(k.t, k).CreateACLs([]*sarama.ResourceAcls{{
			Resource: sarama.Resource{ResourceType: kind, ResourceName: resource, ResourcePatternType: sarama.AclPatternLiteral},
			Acls:     []*sarama.Acl{{Principal: "User:" + name, Host: "*", Operation: operation, PermissionType: sarama.AclPermissionAllow}},
		}}); err != nil {
			k.t.Fatal(err)
		}
	}
}

// topic makes one, and lets users do with it what both programs need, and nothing else.
func (k *securedKafka) topic(name string, users ...string) {
	k.t.Helper()
	if err := admin(k.t, k).CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		k.t.Fatal(err)
	}
	for _, user := range users {
		k.grant(user, sarama.AclResourceTopic, name, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribe)
		k.grant(user, sarama.AclResourceGroup, "group", sarama.AclOperationRead)
	}
}

// at gives the variables for a listener, and others.
func (k *securedKafka) at(listener string, more ...string) []string {
	return append([]string{"BROKERS=" + k.listeners[listener], "KAFKA_SECURITY_PROTOCOL=" + securedListeners[listener]}, more...)
}
