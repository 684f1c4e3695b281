package broker

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

// A demo that is left running, or a file that is piped into it, would fill the computer's memory.
func TestBrokerDropsOldRecords(t *testing.T) {
	const retention, lines = 50_000, 1000
	const own = "of-a-person" // which the broker creates
	broker, err := start(retention)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := producer.Config{Settings: kafkaconf.Settings{Brokers: broker.ListenAddrs()}, Format: envelope.FormatRSA, PublicKeyFile: file}
	for i := range 3*Partitions + 3 { // at least three batches in each partition
		cfg.Topic = Topic
		if i >= 3*Partitions {
			cfg.Topic = own
		}
		sum, err := producer.Run(t.Context(), cfg, producer.Build{}, strings.NewReader(strings.Repeat("line\n", lines)), slog.New(slog.DiscardHandler))
		if err != nil || sum.Failed != 0 {
			t.Fatalf("%+v: %v", sum, err)
		}
	}
	broker.ApplyRetention()
	var written, held int64
	for partition := range int32(Partitions) {
		got := broker.PartitionInfo(Topic, partition)
		written, held = written+got.HighWatermark, held+got.NumBytes
	}
	if written != 3*Partitions*lines || held > written*300/2 {
		t.Errorf("%d bytes are held after %d records, want the oldest dropped", held, written)
	}
	if got := broker.PartitionInfo(own, 0); got == nil || got.HighWatermark != 3*lines || got.NumBytes > got.HighWatermark*300/2 {
		t.Errorf("of another topic it holds %+v, want the oldest dropped", got)
	}
}
