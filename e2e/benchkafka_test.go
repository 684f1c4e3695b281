package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
)

// kafkaImage runs Apache Kafka with settings like those of apache/kafka.
const kafkaImage = "kafka-e2ee/kafka:4.3.1"

// realKafka is the address of an Apache Kafka in a container; of the embedded
// broker where there is no Docker engine or no image, which the output then says.
func realKafka(b *testing.B) string {
	b.Helper()
	image := kafkaImage
	if other := os.Getenv("KAFKA_IMAGE"); other != "" {
		image = other
	}
	if err := exec.Command("docker", "image", "inspect", image).Run(); err != nil {
		b.Logf("no Docker engine with %s: measured against the embedded broker instead", image)
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		return c.ListenAddrs()[0]
	}
	addr := freeAddr(b)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"run", "--detach", "--rm", "--publish", addr + ":9094"}
	for _, setting := range []string{
		"CLUSTER_ID=a2Fma2EtZTJlZS1iZW5jaA", "KAFKA_NODE_ID=1", "KAFKA_PROCESS_ROLES=broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093", "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_INTER_BROKER_LISTENER_NAME=INTERNAL", "KAFKA_LISTENERS=INTERNAL://:9092,EXTERNAL://:9094,CONTROLLER://localhost:9093",
		"KAFKA_ADVERTISED_LISTENERS=INTERNAL://localhost:9092,EXTERNAL://127.0.0.1:" + port,
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_HEAP_OPTS=-Xms1g -Xmx1g",
	} {
		args = append(args, "--env", setting)
	}
	out, err := exec.Command("docker", append(args, image)...).Output()
	if err != nil {
		b.Fatalf("starting %s: %v", image, err)
	}
	container := strings.TrimSpace(string(out))
	b.Cleanup(func() {
		if err := exec.Command("docker", "kill", container).Run(); err != nil {
			b.Errorf("stopping Kafka: %v", err)
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if client, err := sarama.NewClient([]string{addr}, nil); err == nil {
			_ = client.Close()
			return addr
		}
	}
	b.Fatalf("%s did not start within %v", image, patience)
	return ""
}

// freshTopic makes a topic that takes records of 1 MiB sealed, and drops it in the end.
func freshTopic(b *testing.B, addr, name string, partitions int32) (size func() int64) {
	b.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	a, err := sarama.NewClusterAdmin([]string{addr}, conf)
	if err != nil {
		b.Fatal(err)
	}
	most := fmt.Sprint(4 << 20)
	if err := a.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &most}}, false); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = a.DeleteTopic(name)
		_ = a.Close()
	})
	return func() int64 {
		dirs, err := a.DescribeLogDirs([]int32{1, 0})
		if err != nil {
			return 0
		}
		var total int64
		for _, list := range dirs {
			for _, dir := range list {
				for _, topic := range dir.Topics {
					for _, partition := range topic.Partitions {
						if topic.Topic == name {
							total += partition.Size
						}
					}
				}
			}
		}
		return total
	}
}
