package lab

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/lab/broker"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
)

// Without this the demo would attack, or delete, what somebody else has in that Kafka, take their pods' partitions, or leave
// something behind.
func TestBorrowedKafkaIsGivenBack(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, broker.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	names := func() (topics, groups []string) {
		client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...)) // a new one: it remembers topics
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		admin := kadm.NewClient(client)
		listed, err := admin.ListTopics(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		members, err := admin.ListGroups(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return listed.Names(), members.Groups()
	}
	t.Run("demo", func(t *testing.T) {
		d, _ := startDemo(t, Config{Format: string(formats.RSA), Broker: kafka.ListenAddrs()[0]})
		eventually(t, "a record has opened", func() bool { return !stepNamed(d, console.StepOpen).At.IsZero() })
		if _, err := d.Attack(t.Context(), "rewind"); err != nil {
			t.Fatal(err)
		}
		own := d.Addresses().Topic
		topics, groups := names()
		if own == broker.Topic || strings.Join(topics, " ") != broker.Topic+" "+own {
			t.Errorf("the demo's topic is %s, there are %q", own, topics)
		}
		for _, group := range groups {
			if !strings.HasPrefix(group, own+"-") {
				t.Errorf("there is a group %s", group)
			}
		}
		if len(groups) != 2 {
			t.Errorf("there are the groups %q", groups)
		}
	})
	if topics, groups := names(); strings.Join(topics, " ") != broker.Topic || len(groups) != 0 {
		t.Errorf("left in Kafka: the topics %q, the groups %q", topics, groups)
	}
}
