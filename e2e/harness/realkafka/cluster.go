package realkafka

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
)

// Cluster is three brokers that replicate every record. Kafka acknowledges a record once all brokers in sync have it, two
// at least. Clients reach each broker through a proxy; the brokers reach each other over a network of their own.
type Cluster struct {
	t       testing.TB
	network string
	Nodes   []*Node
}

// Node is one broker of a Cluster.
type Node struct {
	Kafka
	name  string // on the brokers' network
	proxy *harness.Proxy
}

// small is the size of the last broker's disk. It is in memory, so it can be filled, and is empty after a restart.
const small = "256m"

// StartCluster starts three brokers.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	harness.Require(t, harness.Engine, harness.KafkaImage)
	harness.ReserveKafka(t, 3)
	b := &Cluster{t: t, network: harness.Docker(t, "network", "create", "--internal", "faults-"+strconv.FormatInt(time.Now().UnixNano(), 36))}
	t.Cleanup(func() { harness.Docker(t, "network", "rm", b.network) })
	image, voters := harness.KafkaImageName(t), make([]string, 3)
	for i := range voters {
		voters[i] = fmt.Sprintf("%d@broker%d:9094", i+1, i+1)
	}
	for i := range voters {
		b.Nodes = append(b.Nodes, b.create(image, i+1, strings.Join(voters, ",")))
	}
	for _, n := range b.Nodes {
		n.Start(t)
	}
	return b
}

func (b *Cluster) create(image string, id int, voters string) *Node {
	t := b.t
	n := &Node{name: fmt.Sprint("broker", id)}
	port := strconv.Itoa(harness.FreePort(t))
	n.Addr = "127.0.0.1:" + port
	n.proxy = harness.StartProxy(t, n.Addr)
	settings := []string{
		"CLUSTER_ID=a2Fma2EtZTJlZS10ZXN0cw", "KAFKA_HEAP_OPTS=-Xms128m -Xmx256m",
		"KAFKA_NODE_ID=" + strconv.Itoa(id), "KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS=" + voters,
		"KAFKA_LISTENERS=CLIENTS://:9093,PEERS://:9092,CONTROLLERS://:9094",
		"KAFKA_ADVERTISED_LISTENERS=CLIENTS://" + n.proxy.Addr() + ",PEERS://" + n.name + ":9092",
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
	n.ID = harness.Docker(t, append(args, image)...)
	t.Cleanup(func() { harness.Docker(t, "rm", "--force", "--volumes", n.ID) })
	b.connect(n)
	return n
}

func (b *Cluster) connect(n *Node) {
	harness.Docker(b.t, "network", "connect", "--alias", n.name, b.network, n.ID)
}

// ListenAddrs returns the addresses of the proxies.
func (b *Cluster) ListenAddrs() []string {
	var addrs []string
	for _, n := range b.Nodes {
		addrs = append(addrs, n.proxy.Addr())
	}
	return addrs
}

// SetNetwork changes the network between the clients and all brokers.
func (b *Cluster) SetNetwork(network harness.Network) {
	for _, n := range b.Nodes {
		n.proxy.Set(network)
	}
}

// Isolate disconnects one broker from its clients and peers. Packets vanish; no connection is closed.
func (b *Cluster) Isolate(n *Node) {
	n.proxy.Set(harness.Network{Stall: true})
	harness.Docker(b.t, "network", "disconnect", b.network, n.ID)
}

// Rejoin ends Isolate.
func (b *Cluster) Rejoin(n *Node) {
	b.connect(n)
	n.proxy.Set(harness.Network{})
}

// Replace restarts the broker, which may have ended.
func (n *Node) Replace(t testing.TB) {
	t.Helper()
	_ = exec.Command("docker", "kill", n.ID).Run() //nolint:errcheck // it may have ended
	n.Start(t)
}

// ChangeLeaders makes another replica the leader of each partition.
func (b *Cluster) ChangeLeaders(topic string) {
	t := b.t
	t.Helper()
	a := harness.Admin(t, b)
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

// CreateTopic creates a topic with so many replicas, and waits until all of them are in sync.
func CreateTopic(t testing.TB, c harness.Cluster, name string, partitions, replicas int16) {
	t.Helper()
	harness.Eventually(t, "the topic is created", func() bool {
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
