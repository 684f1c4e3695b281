package story_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/seed"
	"kafka-e2ee/producer"
)

// background starts a program, and stops it at the test's end as Kubernetes would.
func background(t testing.TB, cmd *exec.Cmd, log *harness.LogBuffer) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer func() { harness.NoSecrets(t, "the log", log.String()) }()
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			t.Errorf("%s: %v\n%s", cmd.Path, err, log)
		}
	})
}

// Without this a user of the article would meet different programs in its manifests.
func TestSeedIsTheDocuments(t *testing.T) {
	document := os.Getenv("SEED_DOCUMENT")
	if document == "" {
		document = "../shared/seed/aks-confidential-containers.ja.txt"
	}
	if !filepath.IsAbs(document) {
		document = filepath.Join("../..", document)
	}
	text, err := os.ReadFile(document)
	if errors.Is(err, os.ErrNotExist) {
		harness.LeaveOut(t, "the article is not at "+document+" (set SEED_DOCUMENT)")
	}
	if err != nil {
		t.Fatal(err)
	}
	// The article's text has lost its line breaks.
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for file, image := range map[string][2]string{
		"consumer.yaml": {seed.Consumer(t).Image, "mcr.microsoft.com/acc/samples/kafka/consumer:1.0"},
		"producer.yaml": {seed.Producer(t).Image, "mcr.microsoft.com/acc/samples/kafka/producer:1.0"},
	} {
		ours := seed.Manifest(t, file)
		if strings.Count(ours, image[0]) != 1 || image[0] == image[1] {
			t.Errorf("%s: image %s", file, image[0])
		}
		if !strings.Contains(flat(string(text)), flat(strings.Replace(ours, image[0], image[1], 1))) {
			t.Errorf("%s: differs from the article in more than the image", file)
		}
	}
}

// Without this the article's manifests would start our programs and show nothing: they set no address of Kafka, the
// sidecar or the page, so the programs' defaults must be right.
func TestSeedDefaults(t *testing.T) {
	consume, err := consumer.Load(seed.Consumer(t).Lookup)
	if err != nil {
		t.Fatal(err)
	}
	produce, err := producer.Load(seed.Producer(t).With(t, map[string]string{"PUBKEY": harness.PublicPEM(t, &harness.NewKey(t).PublicKey)}).Lookup)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := []string{"my-cluster-kafka-bootstrap:9092"}
	if !slices.Equal(consume.Brokers, bootstrap) || !slices.Equal(produce.Brokers, bootstrap) {
		t.Errorf("brokers %q and %q, want the article's cluster", consume.Brokers, produce.Brokers)
	}
	if consume.Keys.SkrURL != "http://localhost:8080" || consume.Access.Addr != ":3333" {
		t.Errorf("sidecar at %s, page at %s", consume.Keys.SkrURL, consume.Access.Addr)
	}
	if consume.Topic != produce.Topic {
		t.Errorf("the consumer reads %s, the producer writes to %s", consume.Topic, produce.Topic)
	}
}

// Without this the article's manifests would not tell the article's story.
//
// Both programs get exactly the environment that the manifests declare, with the public key and the vault's name filled
// in. Only addresses are added: this machine does not know the name my-cluster-kafka-bootstrap, and the ports may be
// taken. [TestSeedDefaults] checks the addresses that they use in a cluster.
func TestSeedEnvironment(t *testing.T) {
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	skr, url := harness.Sidecar(t, key)
	kafka := "BROKERS=" + strings.Join(c.ListenAddrs(), ",")

	produce := seed.Producer(t).With(t, map[string]string{"PUBKEY": harness.PublicPEM(t, &key.PublicKey)})
	metrics := harness.FreeAddr(t)
	cmd, log := produce.Program(t, kafka, "METRICS_ADDR="+metrics)
	background(t, cmd, log)
	producing := &harness.Pod{T: t, Metrics: "http://" + metrics, Log: log}
	producing.Wait("the producer's probe is answered", func() bool { return producing.Get(producing.Metrics+"/healthz") != nil })

	// As in the article, one after the other: the same pod, redeployed without its sidecar.
	for _, test := range []struct{ state, sidecar string }{{"decrypted", url}, {"no_key", "http://" + harness.FreeAddr(t)}} {
		t.Run(test.state, func(t *testing.T) {
			consume := seed.Consumer(t).With(t, map[string]string{"SkrClientAKVEndpoint": "demo.vault.azure.net"})
			page, metrics := harness.FreeAddr(t), harness.FreeAddr(t)
			cmd, log := consume.Program(t, kafka, "SKR_URL="+test.sidecar, "WEB_ADDR="+page, "METRICS_ADDR="+metrics)
			background(t, cmd, log)
			p := &harness.Pod{T: t, Page: "http://" + page, Metrics: "http://" + metrics, Log: log}
			p.Wait("the first message is there as "+test.state, func() bool {
				return slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return r.Offset == 0 && r.State == test.state })
			})
			if p.Get(p.Metrics+"/healthz") == nil || p.Get(p.Metrics+"/readyz") == nil {
				t.Error("a probe is not answered")
			}
			for _, r := range p.Records() {
				if shown := strings.HasSuffix(r.Value, ": Azure Confidential Computing"); shown != (test.state == "decrypted") {
					t.Errorf("offset %d shows %q", r.Offset, r.Value)
				}
			}
		})
	}
	asked := skr.LastRequest()
	if asked.KeyName != "kafka-encryption-demo" || asked.MAAEndpoint != "sharedeus2.eus2.test.attest.azure.net" || asked.AKVEndpoint != "demo.vault.azure.net" {
		t.Errorf("the sidecar was asked for %+v", asked)
	}
}

// Without this a user who forgets to paste the key would get an unexplained crash, or messages that nobody can read.
func TestSeedPlaceholderKey(t *testing.T) {
	cmd, log := seed.Producer(t).Program(t)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	defer stop()
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(log.String(), "PUBKEY: ") {
		t.Errorf("%v, want exit status 2 and the name of the variable:\n%s", err, log)
	}
}
