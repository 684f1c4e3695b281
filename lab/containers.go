package lab

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/lab/broker"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/starter"
)

// Containers says where the parts are if Kafka and the pods run in containers of their own, as make up starts them. This
// process shares the confidential pod's network, as a sidecar does.
type Containers struct {
	Broker     string // HOST:PORT of Kafka, for the containers
	PrivateDir string // keeps the keys across restarts
	PublicDir  string // for the files of the pods, which can only read it
	Published  Published
	ViaGateway bool // the console's viewers come from the network's gateway, too: its port is published on loopback alone
	Logger     *slog.Logger
}

// Published are the ports at which the computer's loopback publishes the parts.
type Published struct{ Confidential, Ordinary, Console, Kafka int }

// ConsoleInPod is where the console listens in the confidential pod's network.
const ConsoleInPod = ":3335"

// podAddresses are the addresses in the confidential pod's network.
func podAddresses() addresses {
	a := addresses{confidential: "127.0.0.1:3333", ordinary: "ordinary:3333", console: ConsoleInPod, attested: ":3343", relayed: "127.0.0.1:3344", maa: "localhost:8443"}
	a.metrics.producer = ":9465"
	return a
}

// sidecarAddr is where the programs look for a sidecar.
const sidecarAddr = "127.0.0.1:8080"

// verifyContainer verifies the attested page from another container in the pod's network.
const verifyContainer = "deploy/compose/compose run --rm verify"

// addresses are what the console shows, and where it reaches the same parts.
func (c *Containers) addresses(inside console.Inside) (console.Addresses, error) {
	if c.ViaGateway {
		routes, err := os.ReadFile("/proc/net/route")
		if err != nil {
			return console.Addresses{}, fmt.Errorf("finding the network's gateway: %w", err)
		}
		if inside.Gateway, err = gateway(string(routes)); err != nil {
			return console.Addresses{}, err
		}
	}
	local := func(port int) string { return net.JoinHostPort("localhost", strconv.Itoa(port)) }
	return console.Addresses{
		Console: local(c.Published.Console), Confidential: local(c.Published.Confidential), Ordinary: local(c.Published.Ordinary), Broker: local(c.Published.Kafka),
		Topic: broker.Topic, Verify: verifyContainer, Inside: inside,
	}, nil
}

// gateway returns the address of the default route: the computer's own in a container's network, from which the viewers of
// a port come that it publishes on its loopback.
func gateway(routes string) (netip.Addr, error) {
	for line := range strings.Lines(routes) {
		// Iface Destination Gateway Flags RefCnt Use Metric Mask …, the addresses as numbers of the machine
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" {
			continue
		}
		if number, err := hex.DecodeString(fields[2]); err == nil && len(number) == 4 {
			var addr [4]byte
			binary.NativeEndian.PutUint32(addr[:], binary.BigEndian.Uint32(number))
			if via := netip.AddrFrom4(addr); !via.IsUnspecified() {
				return via, nil
			}
		}
	}
	return netip.Addr{}, errors.New("finding the network's gateway: there is no default route")
}

// orderPods lets both pods' containers start the consumer with these settings. It returns when the confidential one has
// ended that of the scenario before: what it says is of another pod.
func (d *demo) orderPods(pods map[string]consumer.Config) error {
	before := d.feed()
	for name, cfg := range pods {
		if err := starter.Order(d.dir, name, podEnvironment(cfg)); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(restartTime); before != "" && d.feed() == before; time.Sleep(lookAgain) {
		if time.Now().After(deadline) {
			return fmt.Errorf("restarting the confidential pod: it has not ended within %s", restartTime)
		}
	}
	return nil
}

const (
	restartTime = time.Minute
	lookAgain   = 50 * time.Millisecond
)

// feed returns the identity of the process in the confidential pod; empty if it does not answer.
func (d *demo) feed() string {
	ctx, cancel := context.WithTimeout(d.ctx, restartTime)
	defer cancel()
	answer, err := d.pod.Newest(ctx, 1, "")
	if err != nil {
		return ""
	}
	return answer.Feed
}

// podEnvironment returns the settings that differ between scenarios and formats. The others are the container's.
func podEnvironment(cfg consumer.Config) map[string]string {
	return map[string]string{
		"SkrClientKID": cfg.Keys.Names, "EXPECTED_KEY_IDS": cfg.Keys.ExpectedIDs, "SKR_URL": cfg.Keys.SkrURL, "WEB_ATTESTED_ADDR": cfg.Access.AttestedAddr,
		"WEB_VERIFY_COMMAND": cfg.WebVerify,
		"TRUSTED_SENDERS":    cfg.TrustedSenders, "REQUIRE_FORMAT": cfg.RequireFormat, "REQUIRE_SENDER": cfg.RequireSender,
		"ALLOWED_READERS": cfg.AllowedReaders, "REQUIRE_FRESH": strconv.FormatBool(cfg.RequireFresh),
	}
}
