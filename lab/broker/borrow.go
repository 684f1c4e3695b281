package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Borrowed is a Kafka that somebody else runs on this computer. The demo has a topic of its own there, which it deletes at
// its end with the groups of its pods. It touches nothing else: attacks delete and recreate their topic.
type Borrowed struct {
	Topic string // the demo's own

	addr string
}

// adminTimeout bounds a change at the borrowed Kafka.
const adminTimeout = 30 * time.Second

// CheckAddress allows for this computer's own brokers only: the demo is not protected, and neither is its Kafka.
func CheckAddress(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("the broker's address is wrong: want HOST:PORT (hint: localhost:9094 is the one that make up starts)")
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("the broker is not on this computer: the demo attacks only Kafka at localhost")
	}
	return nil
}

// Borrow creates the topic at a running broker.
func Borrow(ctx context.Context, addr string) (*Borrowed, error) {
	b := &Borrowed{addr: addr, Topic: Topic + "-" + strings.ToLower(rand.Text()[:8])}
	retention := strconv.Itoa(retentionBytes / Partitions)
	err := b.administer(ctx, func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.CreateTopic(ctx, Partitions, 1, map[string]*string{"retention.bytes": &retention}, b.Topic)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("creating a topic in Kafka at %s: %w (hint: make up starts one)", addr, err)
	}
	return b, nil
}

// GiveBack deletes the topic and the groups of these pods, also if ctx has ended.
func (b *Borrowed) GiveBack(ctx context.Context, pods ...string) error {
	err := b.administer(context.WithoutCancel(ctx), func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.DeleteTopic(ctx, b.Topic)
		var names []string
		for _, pod := range pods {
			names = append(names, b.Group(pod))
		}
		groups, groupsErr := admin.DeleteGroups(ctx, names...)
		for _, g := range groups {
			if !errors.Is(g.Err, kerr.GroupIDNotFound) {
				groupsErr = errors.Join(groupsErr, g.Err)
			}
		}
		return errors.Join(err, groupsErr)
	})
	if err != nil {
		return fmt.Errorf("deleting the topic %s, and the groups of that name, in Kafka: %w", b.Topic, err)
	}
	return nil
}

// Group returns the consumer group of a pod.
func (b *Borrowed) Group(pod string) string { return b.Topic + "-" + pod }

func (b *Borrowed) administer(ctx context.Context, do func(context.Context, *kadm.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr))
	if err != nil {
		return err
	}
	defer client.Close()
	return do(ctx, kadm.NewClient(client))
}
