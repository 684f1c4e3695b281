package lab

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/lab/broker"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/scenario"
)

func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(nextPort()))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// Without this a pod in a container would not require what the pod of the same scenario and format does in one process.
func TestContainersGetTheSameSettings(t *testing.T) {
	cfg := Config{Format: string(formats.Envelope), Scenario: scenario.Good}
	d := newDemo(t.Context(), func(error) {}, cfg, podAddresses(), new(screen))
	d.dir, d.signing, d.log, d.kafka, d.topic = t.TempDir(), t.TempDir(), slog.New(slog.DiscardHandler), kafkaconf.Settings{Brokers: []string{"kafka:9092"}}, broker.Topic
	sender, err := env.NewSender(d.signing, env.SigningKeyFile, env.SenderName)
	if err != nil {
		t.Fatal(err)
	}
	d.trusted = sender.Trusted
	addr := freeAddr(t)
	if d.env, err = env.New(t.Context(), env.Config{AttestationHost: addr, VaultHost: env.VaultHost, Listen: addr, SidecarAddr: "127.0.0.1:0", PublicDir: d.dir, Logger: d.log}); err != nil {
		t.Fatal(err)
	}
	defer d.env.Close()
	for _, chosen := range []formats.Format{formats.RSA, formats.Unsigned, formats.Envelope, formats.JWE} {
		pod := d.podConfig(chosen)
		pod.Keys.SkrURL, pod.Access.AttestedAddr = "http://127.0.0.1:8080", ":3343"
		pod.WebVerify = verifyContainer
		environment := podEnvironment(pod)
		for name, value := range map[string]string{ // compose.yaml's
			"WEB_HOSTS": "localhost,127.0.0.1", "BROKERS": "kafka:9092", "TOPIC": broker.Topic, "SkrClientMAAEndpoint": pod.Keys.MAAEndpoint, "SkrClientAKVEndpoint": pod.Keys.AKVEndpoint,
			"ATTESTATION_CA_FILE": pod.Keys.AttestationCAFile, "RELEASE_POLICY_FILE": pod.Keys.PolicyFile,
		} {
			environment[name] = value
		}
		got, err := consumer.Load(func(name string) (string, bool) { value, ok := environment[name]; return value, ok })
		if err != nil {
			t.Fatalf("%s: %v", chosen, err)
		}
		got.Keys.Provider, got.Keys.HubURL = pod.Keys.Provider, pod.Keys.HubURL // defaults
		for what, pair := range map[string][2]any{
			"keys": {got.Keys, pod.Keys}, "senders": {got.TrustedSenders, pod.TrustedSenders}, "format": {got.RequireFormat, pod.RequireFormat}, "sender": {got.RequireSender, pod.RequireSender},
			"verify": {got.WebVerify, pod.WebVerify}, "readers": {got.AllowedReaders, pod.AllowedReaders}, "fresh": {got.RequireFresh, pod.RequireFresh}, "attested": {got.Access.AttestedAddr, pod.Access.AttestedAddr},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%s: %s: in a container %+v, in one process %+v", chosen, what, pair[0], pair[1])
			}
		}
		if strict := got.RequireSender == "verified" && got.Keys.ExpectedIDs != ""; strict != chosen.Strict() {
			t.Errorf("%s: strict is %t", chosen, strict)
		}
	}
}

// Without this the private key, or the signing key, could be in the folder that the pods' containers read.
func TestContainersReadNoPrivateKey(t *testing.T) {
	c := &Containers{Broker: "127.0.0.1:9", PrivateDir: t.TempDir(), PublicDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	addrs := podAddresses()
	addrs.maa = freeAddr(t)
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	d := newDemo(ctx, stop, Config{Containers: c}, addrs, new(screen))
	if err := d.openContainers(); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.env, err = env.New(ctx, env.Config{AttestationHost: addrs.maa, VaultHost: env.VaultHost, Listen: addrs.maa, SidecarAddr: "127.0.0.1:0", PrivateDir: c.PrivateDir, PublicDir: c.PublicDir, Logger: d.log}); err != nil {
		t.Fatal(err)
	}
	defer d.env.Close()
	if err := d.orderPods(map[string]consumer.Config{confidentialName: d.podConfig(formats.Envelope), ordinaryName: d.podConfig(formats.Envelope)}); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(c.PublicDir)
	if err != nil || len(names) != 5 { // key, authority, policy, and an order for each pod
		t.Errorf("the folder holds %v, %v", names, err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(c.PublicDir, name.Name())); err != nil || strings.Contains(string(text), "PRIVATE") {
			t.Errorf("%s: %v, %.60s", name.Name(), err, text)
		}
	}
	var ordered struct{ Environment map[string]string }
	text, err := os.ReadFile(filepath.Join(c.PublicDir, confidentialName+"-pod.json"))
	if err != nil || json.Unmarshal(text, &ordered) != nil || !strings.Contains(ordered.Environment["TRUSTED_SENDERS"], env.SenderName) {
		t.Errorf("the confidential pod trusts %q, %v", ordered.Environment["TRUSTED_SENDERS"], err)
	}
	if shown := d.Addresses(); shown.Inside.Gateway.IsValid() || shown.Folder != "" {
		t.Errorf("without being told so, viewers may come from %v; other programs join in %q", shown.Inside.Gateway, shown.Folder)
	}
}

// Without this the console of a container would serve nobody, or somebody else than this computer.
func TestGateway(t *testing.T) {
	t.Parallel()
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for routes, want := range map[string]string{
		head + "eth0\t00000000\t010014AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000014AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n": "172.20.0.1",
		head + "eth0\t000014AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\neth1\t00000000\t0111A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n": "192.168.17.1",
		head + "eth0\t000014AC\t010014AC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n":                                                             "", // not the default route
		head + "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n":                                                             "", // no gateway
		head + "eth0\t00000000\tzz0014AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n":                                                             "",
		head + "eth0 00000000\n": "",
		"":                       "",
	} {
		got, err := gateway(routes)
		if want == "" && (err == nil || got.IsValid()) || want != "" && (err != nil || got != netip.MustParseAddr(want)) {
			t.Errorf("%q: got %v, %v, want %q", routes, got, err, want)
		}
	}
}
