package kafkaconf_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/settings"
)

const secret = "canary-7d1f-do-not-print"

const connectionString = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey=" + secret + "=;EntityPath=hub"

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), secret)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair returns a self-signed certificate and its key.
func pair(t *testing.T, c x509.Certificate) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(1), true
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretDER}))
}

// Without it wrong settings would be found one restart at a time or by an endless retry, or put a password into the log.
func TestAllWrongSettingsAreReportedAtOnce(t *testing.T) {
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		t.Setenv(name, "") // restored after the test
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := pair(t, x509.Certificate{Subject: pkix.Name{CommonName: "client"}})
	_, otherKey := pair(t, x509.Certificate{})
	for name, test := range map[string]struct {
		set  map[string]string
		want []string // parts of the error; none: no error
	}{
		"nothing set":    {nil, nil},
		"several":        {map[string]string{"KAFKA_PRESET": secret, "KAFKA_VERSION": secret, "KAFKA_CLIENT_ID": secret + " ", "KAFKA_SECURITY_PROTOCOL": secret}, []string{"KAFKA_PRESET: want", "KAFKA_VERSION: want", "KAFKA_CLIENT_ID: want", "KAFKA_SECURITY_PROTOCOL: want"}},
		"old version":    {map[string]string{"KAFKA_VERSION": "0.11.0.0"}, []string{"KAFKA_VERSION: want a version such as 3.6.0, from 1.0.0"}},
		"unknown yet":    {map[string]string{"KAFKA_VERSION": "99.0.0"}, []string{"KAFKA_VERSION: "}},
		"TLS":            {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": file(t, cert), "KAFKA_CLIENT_CERT_FILE": file(t, cert), "KAFKA_CLIENT_KEY_FILE": file(t, key)}, nil},
		"from Windows":   {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": file(t, windows(cert)), "KAFKA_CLIENT_CERT_FILE": file(t, windows(cert)), "KAFKA_CLIENT_KEY_FILE": file(t, windows(key))}, nil},
		"TLS not used":   {map[string]string{"KAFKA_CA_FILE": "/" + secret, "KAFKA_CLIENT_CERT_FILE": "/" + secret, "KAFKA_CLIENT_KEY_FILE": "/" + secret}, []string{"KAFKA_CA_FILE: is for TLS only", "KAFKA_CLIENT_CERT_FILE: is for", "KAFKA_CLIENT_KEY_FILE: is for"}},
		"no such files":  {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "/" + secret, "KAFKA_CLIENT_CERT_FILE": "/" + secret, "KAFKA_CLIENT_KEY_FILE": "/" + secret}, []string{"KAFKA_CA_FILE: reading the file: no such file", "KAFKA_CLIENT_CERT_FILE: reading", "KAFKA_CLIENT_KEY_FILE: reading"}},
		"not PEM":        {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": file(t, secret), "KAFKA_CLIENT_CERT_FILE": file(t, secret), "KAFKA_CLIENT_KEY_FILE": file(t, secret)}, []string{"KAFKA_CA_FILE: the file holds no certificate", "KAFKA_CLIENT_CERT_FILE and KAFKA_CLIENT_KEY_FILE: "}},
		"key of other":   {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CLIENT_CERT_FILE": file(t, cert), "KAFKA_CLIENT_KEY_FILE": file(t, otherKey)}, []string{"KAFKA_CLIENT_KEY_FILE: tls: private key does not match"}},
		"key alone":      {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CLIENT_KEY_FILE": file(t, key)}, []string{"KAFKA_CLIENT_CERT_FILE: is not set"}},
		"empty CA":       {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": file(t, "\n")}, []string{"KAFKA_CA_FILE: the file is empty"}},
		"huge CA":        {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": file(t, strings.Repeat("x", 2<<20))}, []string{"KAFKA_CA_FILE: the file is larger than 1048576 bytes"}},
		"SCRAM":          {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD_FILE": file(t, secret+"\r\n")}, nil},
		"no user":        {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, []string{"KAFKA_SASL_USER: is not set", "KAFKA_SASL_PASSWORD_FILE: is not set"}},
		"two lines":      {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD_FILE": file(t, secret+"\n"+secret)}, []string{"KAFKA_SASL_PASSWORD_FILE: the file holds more than one line"}},
		"mechanism":      {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": secret}, []string{"KAFKA_SASL_MECHANISM: want PLAIN"}},
		"SASL not used":  {map[string]string{"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_TOKEN_FILE": "/" + secret}, []string{"KAFKA_SASL_MECHANISM: is for signing in only", "KAFKA_TOKEN_FILE: is for signing in only"}},
		"mixed":          {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD_FILE": file(t, secret), "KAFKA_TOKEN_FILE": "/" + secret}, []string{"KAFKA_TOKEN_FILE: is for OAUTHBEARER only"}},
		"in the clear":   {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD_FILE": file(t, secret)}, []string{"KAFKA_SECURITY_PROTOCOL: SASL_PLAINTEXT would show"}},
		"said so":        {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD_FILE": file(t, secret), "KAFKA_INSECURE_CREDENTIALS_IN_CLEAR": "true"}, nil},
		"SCRAM, clear":   {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD_FILE": file(t, secret)}, nil},
		"token":          {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_TOKEN_FILE": file(t, "abc.def=\n")}, nil},
		"no token":       {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}, []string{"KAFKA_TOKEN_FILE: is not set"}},
		"not a token":    {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_TOKEN_FILE": file(t, "Bearer "+secret)}, []string{"KAFKA_TOKEN_FILE: the file does not hold a bearer token alone"}},
		"no identity":    {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_AZURE_SCOPE": "https://ns.servicebus.windows.net/.default\n"}, []string{"AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE: are not all set"}},
		"scopes":         {map[string]string{"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_AZURE_SCOPE": "https://" + secret + "/"}, []string{"KAFKA_AZURE_SCOPE: want a scope such as"}},
		"event hubs":     {map[string]string{"BROKERS": "ns.servicebus.windows.net:9093", "KAFKA_PRESET": "event-hubs", "KAFKA_CONNECTION_STRING_FILE": file(t, connectionString+"\n")}, nil},
		"managed":        {map[string]string{"BROKERS": "ns.servicebus.windows.net:9093", "KAFKA_PRESET": "event-hubs", "KAFKA_AZURE_IDENTITY": "managed"}, nil},
		"whose":          {map[string]string{"BROKERS": "ns.servicebus.windows.net:9093", "KAFKA_PRESET": "event-hubs", "KAFKA_AZURE_IDENTITY": secret}, []string{"KAFKA_AZURE_IDENTITY: want workload or managed"}},
		"token or whose": {map[string]string{"BROKERS": "ns.servicebus.windows.net:9093", "KAFKA_PRESET": "event-hubs", "KAFKA_AZURE_IDENTITY": "managed", "KAFKA_TOKEN_FILE": file(t, "abc.def=")}, []string{"KAFKA_TOKEN_FILE and KAFKA_AZURE_IDENTITY: both are set"}},
		"no preset":      {map[string]string{"BROKERS": "NS.ServiceBus.Windows.net:9093"}, []string{"KAFKA_PRESET: BROKERS names Azure Event Hubs"}},
		"other hubs":     {map[string]string{"BROKERS": "other.servicebus.windows.net:9093", "KAFKA_PRESET": "event-hubs", "KAFKA_CONNECTION_STRING_FILE": file(t, connectionString)}, []string{"KAFKA_CONNECTION_STRING_FILE: the connection string is for another namespace"}},
		"half a string":  {map[string]string{"KAFKA_PRESET": "event-hubs", "KAFKA_CONNECTION_STRING_FILE": file(t, "Endpoint=sb://a/;SharedAccessKey="+secret)}, []string{"KAFKA_CONNECTION_STRING_FILE: the connection string lacks"}},
	} {
		var s kafkaconf.Settings
		if err := settings.Load(&s, from(test.set)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := s.Sarama("test")
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, want := range test.want {
			if strings.Count(err.Error(), want) != 1 {
				t.Errorf("%s: want %q once in: %v", name, want, err)
			}
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds a value: %v", name, err)
		}
	}
}

// Without it a program would connect to Event Hubs and fail at the first large, compressed or idempotent batch. The test
// checks Microsoft's rules in the resulting configuration; it does not reach Event Hubs itself.
func TestEventHubsRules(t *testing.T) {
	s := kafkaconf.Settings{Brokers: []string{"ns.servicebus.windows.net:9093"}, Preset: "event-hubs", ConnectionStringFile: file(t, connectionString)}
	c, err := s.Sarama("x")
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != sarama.V1_0_0_0 || c.Net.ReadTimeout != time.Minute || c.Producer.Timeout != time.Minute ||
		c.Producer.MaxMessageBytes != 1_000_000 || c.Metadata.RefreshFrequency > 180*time.Second || c.Consumer.Group.Session.Timeout != 30*time.Second {
		t.Errorf("version %v, request %v, acknowledgment %v, batch %d, metadata %v, session %v", c.Version, c.Net.ReadTimeout, c.Producer.Timeout,
			c.Producer.MaxMessageBytes, c.Metadata.RefreshFrequency, c.Consumer.Group.Session.Timeout)
	}
	if s.Idempotent() || s.BatchLimit() != 1_000_000 {
		t.Errorf("idempotent %v, batch limit %d", s.Idempotent(), s.BatchLimit())
	}
	if other := (kafkaconf.Settings{}); !other.Idempotent() || other.BatchLimit() != 0 {
		t.Error("the rules of Event Hubs are applied to other Kafka")
	}
	for codec, allowed := range map[string]bool{"": true, "none": true, "gzip": true, "snappy": false, "lz4": false, "zstd": false} {
		if err := (kafkaconf.Batching{Compression: codec}).Check(s); (err == nil) != allowed {
			t.Errorf("compression %q: %v", codec, err)
		}
	}
	s.Version = "2.8.0" // later tiers may support more
	if c, err = s.Sarama("x"); err != nil || c.Version != sarama.V2_8_0_0 {
		t.Errorf("KAFKA_VERSION does not win over the preset: %v, %v", c.Version, err)
	}
}

// Without it batches would not be as configured, or wait forever.
func TestBatching(t *testing.T) {
	t.Parallel()
	for codec, want := range map[string]sarama.CompressionCodec{
		"": sarama.CompressionNone, "none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	} {
		b := kafkaconf.Batching{Compression: codec, Linger: 7 * time.Millisecond, BatchBytes: 1 << 20}
		c := sarama.NewConfig()
		if b.Apply(c); b.Check(kafkaconf.Settings{}) != nil || c.Producer.Compression != want || c.Producer.Flush.Frequency != b.Linger || c.Producer.Flush.Bytes != b.BatchBytes {
			t.Errorf("%q: %v, %+v", codec, c.Producer.Compression, c.Producer.Flush)
		}
	}
	for variable, b := range map[string]kafkaconf.Batching{
		"KAFKA_COMPRESSION: want": {Compression: "brotli"}, "KAFKA_LINGER: want": {Linger: 2 * time.Minute},
		"KAFKA_BATCH_BYTES: want": {BatchBytes: -1}, "KAFKA_BATCH_BYTES: does nothing": {BatchBytes: 1},
	} {
		if err := b.Check(kafkaconf.Settings{}); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("want %q, got %v", variable, err)
		}
	}
}

// Without it nobody would notice that the insecure switch is set.
func TestNotice(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		s    kafkaconf.Settings
		want bool
	}{
		"nothing":     {kafkaconf.Settings{}, false},
		"in the open": {kafkaconf.Settings{Protocol: "SASL_PLAINTEXT", CredentialsInClear: true}, true},
		"over TLS":    {kafkaconf.Settings{Protocol: "SASL_SSL", CredentialsInClear: true}, false},
	} {
		if got := test.s.Notice(); (got != "") != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// windows returns a text as editors on Windows write it.
func windows(text string) string {
	return "\ufeff" + strings.TrimSuffix(strings.ReplaceAll(text, "\n", "\r\n"), "\n")
}
