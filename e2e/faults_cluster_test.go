package e2e_test

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// brokers is a cluster of three, each of which holds every record: a record is
// acknowledged once all that are in sync have it, at least two. Clients reach
// each through a proxy, and the brokers reach one another over a network of
// their own.
type brokers struct {
	t       testing.TB
	network string
	nodes   []*node
}

type node struct {
	realKafka
	name  string // on the brokers' network
	proxy *proxy
}

// small is the disk of the last broker, which is memory: it can be filled, and
// is empty when the broker starts again.
const small = "256m"

func startBrokers(t testing.TB) *brokers {
	t.Helper()
	need(t, engine, kafkaImage)
	b := &brokers{t: t, network: docker(t, "network", "create", "--internal", "faults-"+strconv.FormatInt(time.Now().UnixNano(), 36))}
	t.Cleanup(func() { docker(t, "network", "rm", b.network) })
	image, voters := chosenKafka(t), make([]string, 3)
	for i := range voters {
		voters[i] = fmt.Sprintf("%d@broker%d:9094", i+1, i+1)
	}
	for i := range voters {
		b.nodes = append(b.nodes, b.create(image, i+1, strings.Join(voters, ",")))
	}
	for _, n := range b.nodes {
		n.start(t)
	}
	return b
}

func (b *brokers) create(image string, id int, voters string) *node {
	t := b.t
	n := &node{name: fmt.Sprint("broker", id)}
	n.addr = freeAddr(t)
	n.proxy = startProxy(t, n.addr)
	_, port, err := net.SplitHostPort(n.addr)
	if err != nil {
		t.Fatal(err)
	}
	settings := []string{
		"CLUSTER_ID=a2Fma2EtZTJlZS10ZXN0cw", "KAFKA_HEAP_OPTS=-Xms128m -Xmx256m",
		"KAFKA_NODE_ID=" + strconv.Itoa(id), "KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS=" + voters,
		"KAFKA_LISTENERS=CLIENTS://:9093,PEERS://:9092,CONTROLLERS://:9094",
		"KAFKA_ADVERTISED_LISTENERS=CLIENTS://" + n.proxy.addr() + ",PEERS://" + n.name + ":9092",
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CLIENTS:PLAINTEXT,PEERS:PLAINTEXT,CONTROLLERS:PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLERS", "KAFKA_INTER_BROKER_LISTENER_NAME=PEERS",
		"KAFKA_DEFAULT_REPLICATION_FACTOR=3", "KAFKA_MIN_INSYNC_REPLICAS=2", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=3",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=3", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=3", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=2",
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE=false", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_LOG_DIRS=/var/lib/kafka/data",
	}
	args := []string{"create", "--memory", "768m", "--publish", "127.0.0.1:" + port + ":9093"}
	if id == 3 {
		args = append(args, "--tmpfs", "/var/lib/kafka/data:mode=1777,size="+small)
	}
	for _, setting := range settings {
		args = append(args, "--env", setting)
	}
	n.id = docker(t, append(args, image)...)
	t.Cleanup(func() { docker(t, "rm", "--force", "--volumes", n.id) })
	b.connect(n)
	return n
}

func (b *brokers) connect(n *node) {
	docker(b.t, "network", "connect", "--alias", n.name, b.network, n.id)
}

// ListenAddrs are those of the proxies.
func (b *brokers) ListenAddrs() []string {
	var addrs []string
	for _, n := range b.nodes {
		addrs = append(addrs, n.proxy.addr())
	}
	return addrs
}

// weather makes it for the clients of all brokers.
func (b *brokers) weather(w weather) {
	for _, n := range b.nodes {
		n.proxy.set(w)
	}
}

// isolate takes one broker's network away: packets vanish, and nobody is told.
func (b *brokers) isolate(n *node) {
	n.proxy.set(weather{stall: true})
	docker(b.t, "network", "disconnect", b.network, n.id)
}

func (b *brokers) rejoin(n *node) {
	b.connect(n)
	n.proxy.set(weather{})
}

// fill takes all room on a broker's disk.
func (n *node) fill(t testing.TB) {
	t.Helper()
	err := exec.Command("docker", "exec", n.id, "dd", "if=/dev/zero", "of=/var/lib/kafka/data/filler", "bs=1M").Run()
	if err == nil {
		t.Fatal("the disk is not full")
	}
}

// replace starts a broker again, which may have ended.
func (n *node) replace(t testing.TB) {
	t.Helper()
	_ = exec.Command("docker", "kill", n.id).Run() //nolint:errcheck // see above
	n.start(t)
}

// changeLeaders makes another replica the leader of each partition.
func (b *brokers) changeLeaders(topic string) {
	t := b.t
	t.Helper()
	a := admin(t, b)
	topics, err := a.DescribeTopics([]string{topic})
	if err != nil {
		t.Fatal(err)
	}
	order := make([][]int32, len(topics[0].Partitions))
	for _, p := range topics[0].Partitions {
		order[p.ID] = append(append([]int32{}, p.Replicas[1:]...), p.Replicas[0])
	}
	if err := a.AlterPartitionReassignments(topic, order); err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, len(order))
	for i := range ids {
		ids[i] = int32(i)
	}
	if _, err := a.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: ids}); err != nil {
		t.Fatal(err)
	}
}

// makeTopic makes a topic with a copy on every broker, as soon as all are there.
func makeTopic(t testing.TB, c cluster, name string, partitions, replicas int16) {
	t.Helper()
	until(t, "the topic is made", func() bool {
		conf := sarama.NewConfig()
		conf.Version = sarama.V3_6_0_0
		a, err := sarama.NewClusterAdmin(c.ListenAddrs(), conf)
		if err != nil {
			return false
		}
		defer a.Close()
		err = a.CreateTopic(name, &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: replicas}, false)
		if err != nil && !strings.Contains(err.Error(), "exists") {
			return false
		}
		topics, err := a.DescribeTopics([]string{name})
		if err != nil || len(topics) != 1 || len(topics[0].Partitions) != int(partitions) {
			return false
		}
		for _, p := range topics[0].Partitions {
			if len(p.Isr) < int(replicas) {
				return false
			}
		}
		return true
	})
}

// until waits for a condition, for as long as a slow machine may need.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}
