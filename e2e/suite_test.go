package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/consumer"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/skrclient/skrtest"
)

const (
	topic   = "kafka-demo-topic"
	keyName = "kafka-encryption-demo"
	// patience is for a machine that is slow, not for a test that is wrong.
	patience = 2 * time.Minute
)

// cluster is a Kafka, embedded or real.
type cluster interface{ ListenAddrs() []string }

// broker is an embedded Kafka, on ports of its own.
func broker(t testing.TB, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newKey makes a fresh key pair of the size that the document asks for.
func newKey(t testing.TB) *rsa.PrivateKey { return newKeyOf(t, 3072) }

func newKeyOf(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	remember(key)
	return key
}

// sidecar is a stand-in that holds the key, and its address.
func sidecar(t testing.TB, key *rsa.PrivateKey) (*skrtest.Sidecar, string) {
	t.Helper()
	s, err := skrtest.New(map[string]*rsa.PrivateKey{keyName: key})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// encrypt makes a record's value without any code of the project.
func encrypt(t testing.TB, key *rsa.PrivateKey, message string) []byte {
	t.Helper()
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte(message), nil)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(block))
}

// write publishes values to one partition, in order, as some other program would.
func write(t testing.TB, c cluster, partition int32, values ...[]byte) {
	t.Helper()
	messages := make([]*sarama.ProducerMessage, len(values))
	for i, v := range values {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Partition: partition}
		if v != nil {
			messages[i].Value = sarama.ByteEncoder(v)
		}
	}
	send(t, c, messages)
}

func send(t testing.TB, c cluster, messages []*sarama.ProducerMessage) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	conf.Producer.Return.Successes = true
	conf.Producer.MaxMessageBytes = 8 << 20
	p, err := sarama.NewSyncProducer(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.SendMessages(messages); err != nil {
		t.Fatal(err)
	}
}

// pod is one running consumer.
type pod struct {
	t       testing.TB
	page    string // base address of the page
	metrics string // base address of the metrics
	log     *buffer
	stop    func() // ends it and waits
}

// freeAddr is an address that nobody listens at. It lies below the ports that
// systems give to connections, and is handed out once: tests run side by side,
// and what listens there may do so a second later.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12_000+mathrand.IntN(20_000))
		if _, given := givenAddrs.LoadOrStore(addr, true); given {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

var givenAddrs sync.Map

func settings(t testing.TB, brokers []string, sidecar string) consumer.Config {
	return consumer.Config{
		Settings: kafkaconf.Settings{Brokers: brokers}, Topic: topic, Group: "group",
		KeyNames: keyName, MAAEndpoint: "attestation.example", AKVEndpoint: "vault.example", SkrURL: sidecar,
		WebAddr: freeAddr(t), WebHistory: 1000, UnpackedBytes: 16 << 20, MetricsAddr: freeAddr(t),
	}
}

func consume(t testing.TB, cfg consumer.Config) *pod {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &pod{t: t, page: "http://" + cfg.WebAddr, metrics: "http://" + cfg.MetricsAddr, log: new(buffer)}
	done := make(chan error, 1)
	go func() {
		done <- consumer.Run(ctx, cfg, consumer.Build{Version: "test"}, slog.New(slog.NewJSONHandler(p.log, nil)))
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consumer ended with: %v", err)
		}
	})
	t.Cleanup(p.stop)
	t.Cleanup(p.leakless)
	p.wait("the page is served", func() bool { return p.get(p.page+"/api/key") != nil })
	return p
}

// get returns a body, or nil where nothing answers.
func (p *pod) get(url string) []byte {
	resp, err := http.Get(url)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	return body
}

// wait polls until the condition holds.
func (p *pod) wait(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	p.t.Fatalf("waited in vain until %s\nrecords: %s\nkey: %s\nlog: %s", what,
		p.get(p.page+"/api/records"), p.get(p.page+"/api/key"), p.log)
}

type record struct {
	Rev       uint64
	Topic     string
	Partition int32
	Offset    int64
	State     string
	Reason    string
	Encoding  string
	Value     string
	Wire      string
	KeyID     string `json:"key_id"`
	Sender    struct{ State, Name, Reason string }
	Flags     []string
}

// records are those of the page, oldest first.
func (p *pod) records() []record {
	p.t.Helper()
	var answer struct{ Records []record }
	body := p.get(p.page + "/api/records?limit=1000")
	if body == nil {
		return nil
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.t.Fatal(err)
	}
	for i, j := 0, len(answer.Records)-1; i < j; i, j = i+1, j-1 {
		answer.Records[i], answer.Records[j] = answer.Records[j], answer.Records[i]
	}
	return answer.Records
}

// waitStates waits until the page holds exactly so many records of each state.
func (p *pod) waitStates(want map[string]int) []record {
	p.t.Helper()
	var records []record
	p.wait(fmt.Sprintf("records are %v", want), func() bool {
		records = p.records()
		got := map[string]int{}
		for _, r := range records {
			got[r.State]++
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	})
	return records
}

func (p *pod) keyState() string {
	var key struct{ State string }
	if json.Unmarshal(p.get(p.page+"/api/key"), &key) != nil {
		return ""
	}
	return key.State
}

// buffer is a log that several goroutines write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
