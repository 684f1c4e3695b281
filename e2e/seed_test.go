package e2e_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"kafka-e2ee/consumer"
	"kafka-e2ee/producer"
)

// declared is what a container of a manifest runs: its command, with exactly its environment.
type declared struct {
	image   string
	command []string
	env     map[string]string
}

// seedContainer reads one container of the document's manifests.
func seedContainer(t testing.TB, file, name string) declared {
	t.Helper()
	first, _, _ := strings.Cut(seedText(t, file), "\n---\n")
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(first), &pod); err != nil {
		t.Fatal(err)
	}
	for _, c := range pod.Spec.Containers {
		if c.Name != name {
			continue
		}
		d := declared{image: c.Image, command: c.Command, env: make(map[string]string)}
		for _, e := range c.Env {
			d.env[e.Name] = e.Value
		}
		return d
	}
	t.Fatalf("%s: has no container %s", file, name)
	return declared{}
}

func seedConsumer(t testing.TB) declared {
	return seedContainer(t, "consumer.yaml", "kafka-golang-consumer")
}
func seedProducer(t testing.TB) declared { return seedContainer(t, "producer.yaml", "kafka-producer") }

func seedText(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../deploy/seed", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// with replaces values of variables that are declared.
func (d declared) with(t testing.TB, values map[string]string) declared {
	t.Helper()
	d.env = maps.Clone(d.env)
	for name, value := range values {
		if _, found := d.env[name]; !found {
			t.Fatalf("%s is not declared", name)
		}
		d.env[name] = value
	}
	return d
}

func (d declared) lookup(name string) (string, bool) {
	value, found := d.env[name]
	return value, found
}

// program builds the container's program and makes a command of it with the declared environment and what is added,
// and nothing of the environment of the test.
func (d declared) program(t testing.TB, added ...string) (*exec.Cmd, *buffer) {
	t.Helper()
	if len(d.command) != 1 {
		t.Fatalf("command %q", d.command)
	}
	cmd, log := exec.Command(build(t, filepath.Base(d.command[0]))), new(buffer)
	for name, value := range d.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, added...)
	cmd.Stderr = log
	return cmd, log
}

// background starts a program and ends it with the test as Kubernetes would.
func background(t testing.TB, cmd *exec.Cmd, log *buffer) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer func() { noSecrets(t, "the log", log.String()) }()
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			t.Errorf("%s: %v\n%s", cmd.Path, err, log)
		}
	})
}

// Without this somebody who follows the document, with our images in its manifests, meets another program.
func TestSeedIsTheDocuments(t *testing.T) {
	document := os.Getenv("SEED_DOCUMENT")
	if document == "" {
		document = "../shared/seed/aks-confidential-containers.ja.txt"
	}
	if !filepath.IsAbs(document) {
		document = filepath.Join("..", document)
	}
	text, err := os.ReadFile(document)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("left out: the manifests in deploy/seed were not compared with the document; it is not at %s (set SEED_DOCUMENT)", document)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The document's text has lost its line breaks.
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for file, image := range map[string][2]string{
		"consumer.yaml": {seedConsumer(t).image, "mcr.microsoft.com/acc/samples/kafka/consumer:1.0"},
		"producer.yaml": {seedProducer(t).image, "mcr.microsoft.com/acc/samples/kafka/producer:1.0"},
	} {
		ours := seedText(t, file)
		if strings.Count(ours, image[0]) != 1 || image[0] == image[1] {
			t.Errorf("%s: image %s", file, image[0])
		}
		if !strings.Contains(flat(string(text)), flat(strings.Replace(ours, image[0], image[1], 1))) {
			t.Errorf("%s: differs from the document in more than the image", file)
		}
	}
}

// Without this the document's manifests start our programs and show nothing: they set no address of Kafka, of the
// sidecar or of the page, so the programs' own must be right.
func TestSeedDefaults(t *testing.T) {
	consume, err := consumer.Load(seedConsumer(t).lookup)
	if err != nil {
		t.Fatal(err)
	}
	produce, err := producer.Load(seedProducer(t).with(t, map[string]string{"PUBKEY": publicPEM(t, &newKey(t).PublicKey)}).lookup)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := []string{"my-cluster-kafka-bootstrap:9092"}
	if !slices.Equal(consume.Brokers, bootstrap) || !slices.Equal(produce.Brokers, bootstrap) {
		t.Errorf("brokers %q and %q, want the document's cluster", consume.Brokers, produce.Brokers)
	}
	if consume.SkrURL != "http://localhost:8080" || consume.WebAddr != ":3333" {
		t.Errorf("sidecar at %s, page at %s", consume.SkrURL, consume.WebAddr)
	}
	if consume.Topic != produce.Topic {
		t.Errorf("the consumer reads %s, the producer writes to %s", consume.Topic, produce.Topic)
	}
}

// Without this the document's story does not come out of the document's manifests.
//
// Both programs get exactly the environment that the manifests declare, with the public key and the vault's name filled
// in. Added are addresses only, since on this machine there is no name my-cluster-kafka-bootstrap and its ports may be
// taken; [TestSeedDefaults] holds the programs to the addresses that they use in a cluster.
func TestSeedEnvironment(t *testing.T) {
	c, key := broker(t, 1), newKey(t)
	skr, url := sidecar(t, key)
	kafka := "BROKERS=" + strings.Join(c.ListenAddrs(), ",")

	produce := seedProducer(t).with(t, map[string]string{"PUBKEY": publicPEM(t, &key.PublicKey)})
	metrics := freeAddr(t)
	cmd, log := produce.program(t, kafka, "METRICS_ADDR="+metrics)
	background(t, cmd, log)
	producing := &pod{t: t, metrics: "http://" + metrics, log: log}
	producing.wait("the producer's probe is answered", func() bool { return producing.get(producing.metrics+"/healthz") != nil })

	// One after the other, as the document has it: the same pod, deployed again without its sidecar.
	for _, test := range []struct{ state, sidecar string }{{"decrypted", url}, {"no_key", "http://" + freeAddr(t)}} {
		t.Run(test.state, func(t *testing.T) {
			consume := seedConsumer(t).with(t, map[string]string{"SkrClientAKVEndpoint": "demo.vault.azure.net"})
			page, metrics := freeAddr(t), freeAddr(t)
			cmd, log := consume.program(t, kafka, "SKR_URL="+test.sidecar, "WEB_ADDR="+page, "METRICS_ADDR="+metrics)
			background(t, cmd, log)
			p := &pod{t: t, page: "http://" + page, metrics: "http://" + metrics, log: log}
			p.wait("the first message is there as "+test.state, func() bool {
				return slices.ContainsFunc(p.records(), func(r record) bool { return r.Offset == 0 && r.State == test.state })
			})
			if p.get(p.metrics+"/healthz") == nil || p.get(p.metrics+"/readyz") == nil {
				t.Error("a probe is not answered")
			}
			for _, r := range p.records() {
				if shown := strings.HasSuffix(r.Value, ": Azure Confidential Computing"); shown != (test.state == "decrypted") {
					t.Errorf("offset %d shows %q", r.Offset, r.Value)
				}
			}
		})
	}
	asked := skr.Asked()
	if asked.KeyName != "kafka-encryption-demo" || asked.MAAEndpoint != "sharedeus2.eus2.test.attest.azure.net" || asked.AKVEndpoint != "demo.vault.azure.net" {
		t.Errorf("the sidecar was asked for %+v", asked)
	}
}

// Without this somebody who forgets to paste the key gets a crash that names nothing, or messages that nobody can read.
func TestSeedPlaceholderKey(t *testing.T) {
	cmd, log := seedProducer(t).program(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	defer stop()
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(log.String(), "PUBKEY: ") {
		t.Errorf("%v, want exit status 2 and the name of the variable:\n%s", err, log)
	}
}
