package e2e_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/sarama"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/kafka"
)

// realKafka is Apache Kafka in a container, at an address that stays the same
// when it is stopped and started.
type realKafka struct {
	id   string
	addr string
}

func (k *realKafka) ListenAddrs() []string { return []string{k.addr} }

// stop lets the broker shut down in order. The container's first process is a
// shell that hands no signal on, so the broker itself is told.
func (k *realKafka) stop(t testing.TB) {
	t.Helper()
	docker(t, "exec", k.id, "sh", "-c", `for p in /proc/[0-9]*; do if [ "$(cat $p/comm)" = java ]; then kill -TERM ${p#/proc/}; fi; done`)
	docker(t, "wait", k.id)
}

func (k *realKafka) kill(t testing.TB)    { docker(t, "kill", k.id) }
func (k *realKafka) start(t testing.TB)   { docker(t, "start", k.id) }
func (k *realKafka) unpause(t testing.TB) { docker(t, "unpause", k.id) }

// pause tries more than once: runc gives up on freezing a container that is busy.
func (k *realKafka) pause(t testing.TB) {
	t.Helper()
	until(t, "the broker is paused", func() bool { return exec.Command("docker", "pause", k.id).Run() == nil })
}

// Testcontainers' own way to clean up needs one more image; here each test does it.
var plainTestcontainers = sync.OnceFunc(func() {
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"} {
		if _, set := os.LookupEnv(name); !set {
			_ = os.Setenv(name, value) //nolint:errcheck // it fails for names that no system takes
		}
	}
})

var starting sync.Mutex

// startKafka starts a broker, with the topic unless partitions is 0. No topic
// comes into being by being asked for.
func startKafka(t testing.TB, partitions int32) *realKafka {
	t.Helper()
	need(t, engine, kafkaImage)
	plainTestcontainers()
	k := &realKafka{addr: freeAddr(t)}
	_, port, err := net.SplitHostPort(k.addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	// One after the other: Testcontainers gives each a minute to start, of which four at once could need more.
	starting.Lock()
	c, err := kafka.Run(ctx, chosenKafka(t), kafka.WithClusterID("a2Fma2EtZTJlZS10ZXN0cw"),
		testcontainers.WithEnv(map[string]string{"KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false", "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m"}),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
			host.PortBindings = nat.PortMap{"9093/tcp": {{HostIP: "127.0.0.1", HostPort: port}}}
		}))
	starting.Unlock()
	k.id = started(t, c, err)
	if partitions > 0 {
		createTopic(t, k, partitions)
	}
	return k
}

// started gives the id of a Kafka that came up, and removes it in the end.
func started(t testing.TB, c testcontainers.Container, err error) (id string) {
	t.Helper()
	t.Cleanup(func() {
		if err := testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0)); err != nil {
			t.Errorf("removing Kafka: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("starting Kafka: %v", err)
	}
	return c.GetContainerID()
}

func chosenKafka(t testing.TB) string {
	t.Helper()
	if named := os.Getenv("KAFKA_IMAGE"); named != "" {
		return named
	}
	out, err := exec.Command("images/choose", "confluentinc/confluent-local:7.5.0", "kafka-e2ee/kafka:4.3.1").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// docker runs the client, and gives what it printed.
func docker(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, problem.String())
	}
	return strings.TrimSpace(string(out))
}

// stored gives the values in the topic, by partition, as Kafka holds them.
func stored(t testing.TB, c cluster) map[int32][][]byte {
	t.Helper()
	client, err := sarama.NewClient(c.ListenAddrs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	values := map[int32][][]byte{}
	for _, partition := range partitions {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 {
			continue
		}
		records, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for m := range records.Messages() {
			values[partition] = append(values[partition], m.Value)
			if m.Offset == end-1 {
				break
			}
		}
		records.Close()
	}
	return values
}
