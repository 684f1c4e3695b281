// Package realkafka starts Apache Kafka in containers: one broker, three behind proxies, or one with every way to secure it.
package realkafka

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/kafka"
	"github.com/testcontainers/testcontainers-go/wait"

	"kafka-e2ee/e2e/harness"
)

// Kafka is one broker in a container. Its address stays the same when it is stopped and started.
type Kafka struct {
	ID   string // of the container
	Addr string
}

// ListenAddrs returns the broker's address.
func (k *Kafka) ListenAddrs() []string { return []string{k.Addr} }

// Stop shuts the broker down cleanly. The container's first process is a shell that forwards no signal, so the signal goes
// to the broker itself.
func (k *Kafka) Stop(t testing.TB) {
	t.Helper()
	harness.Docker(t, "exec", k.ID, "sh", "-c", `for p in /proc/[0-9]*; do if [ "$(cat $p/comm)" = java ]; then kill -TERM ${p#/proc/}; fi; done`)
	harness.Docker(t, "wait", k.ID)
}

// Kill ends the broker at once.
func (k *Kafka) Kill(t testing.TB) { harness.Docker(t, "kill", k.ID) }

// Start starts the broker again.
func (k *Kafka) Start(t testing.TB) { harness.Docker(t, "start", k.ID) }

// Unpause lets the broker run on.
func (k *Kafka) Unpause(t testing.TB) { harness.Docker(t, "unpause", k.ID) }

// Pause freezes the broker. It retries, since runc gives up on a container that is busy.
func (k *Kafka) Pause(t testing.TB) {
	t.Helper()
	harness.Eventually(t, "the broker is paused", func() bool { return exec.Command("docker", "pause", k.ID).Run() == nil })
}

// FillDisk fills the broker's disk, which must be a small one.
func (k *Kafka) FillDisk(t testing.TB) {
	t.Helper()
	err := exec.Command("docker", "exec", k.ID, "dd", "if=/dev/zero", "of=/var/lib/kafka/data/filler", "bs=1M").Run()
	if err == nil {
		t.Fatal("the disk is not full")
	}
}

// plainTestcontainers turns off Testcontainers' own clean-up, which needs one more image: here each test cleans up.
var plainTestcontainers = sync.OnceFunc(func() {
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"} {
		if _, set := os.LookupEnv(name); !set {
			_ = os.Setenv(name, value) //nolint:errcheck // it fails for names that no system takes
		}
	}
})

// withoutHurry gives a broker five minutes to start. The module gives it one, which is too little while other tests keep the
// processors busy.
func withoutHurry(req *testcontainers.GenericContainerRequest) error {
	running := wait.ForLog("Transitioning from RECOVERY to RUNNING").WithStartupTimeout(5 * time.Minute)
	for _, hooks := range req.LifecycleHooks {
		for i, started := range hooks.PostStarts {
			hooks.PostStarts[i] = func(ctx context.Context, c testcontainers.Container) error {
				err := started(ctx, c)
				if err != nil && running.WaitUntilReady(ctx, c) == nil {
					return nil
				}
				return err
			}
		}
	}
	return nil
}

// Start starts a broker, and creates the topic unless partitions is 0. The broker creates no topic by itself. It has further
// settings, as the environment variables of Kafka's image.
func Start(t testing.TB, partitions int32, settings ...map[string]string) *Kafka {
	t.Helper()
	harness.Require(t, harness.Engine, harness.KafkaImage)
	plainTestcontainers()
	harness.ReserveKafka(t, 1)
	port := strconv.Itoa(harness.FreePort(t))
	k := &Kafka{Addr: "127.0.0.1:" + port}
	env := map[string]string{"KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false", "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m"}
	for _, s := range settings {
		maps.Copy(env, s)
	}
	c, err := kafka.Run(context.Background(), harness.KafkaImageName(t), kafka.WithClusterID("a2Fma2EtZTJlZS10ZXN0cw"),
		testcontainers.WithEnv(env),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
			host.PortBindings = nat.PortMap{"9093/tcp": {{HostIP: "127.0.0.1", HostPort: port}}}
		}), testcontainers.CustomizeRequestOption(withoutHurry))
	k.ID = started(t, c, err)
	if partitions > 0 {
		harness.CreateTopic(t, k, partitions)
	}
	return k
}

// started returns the id of a broker that came up. The broker is removed when the test ends.
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

// CPUTime returns the CPU time that the broker's container has used since its start.
func (k *Kafka) CPUTime(t testing.TB) time.Duration {
	t.Helper()
	client, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer, err := client.ContainerStatsOneShot(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return time.Duration(stats.CPUStats.CPUUsage.TotalUsage)
}
