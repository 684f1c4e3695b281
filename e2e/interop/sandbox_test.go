package interop_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/seed"
	"kafka-e2ee/envelope"
)

// Without this, somebody who has only a running demo and an example could not bring a record of their own onto its page, or could
// be taken for its producer.
func TestSandbox(t *testing.T) {
	demo := harness.StartLab(t, "", envelope.FormatJWE)
	demo.Confidential.Wait("a record is decrypted", func() bool { return demo.Confidential.Count("decrypted") > 0 })
	sandbox := sandboxSettings(t, demo)
	t.Run("group", func(t *testing.T) {
		for name, e := range examples() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				harness.Require(t, e.needs...)
				command := e.build(t)
				writer := startExample(t, append(slices.Clone(command), "produce"), sandbox)
				writer.write("from " + name)
				state, sender := "unverified", ""
				if e.signs {
					state, sender = "verified", "sandbox"
				}
				waitRecord(t, demo, "from "+name, state, sender)
				writeOwn(t, append(slices.Clone(command), "produce"), sandbox, "by-"+name)
				readOwn(t, append(command, "consume"), sandbox, "of-"+name)
			})
		}
		t.Run("openssl", func(t *testing.T) {
			t.Parallel()
			harness.Require(t, harness.OpenSSL, harness.Kcat)
			runREADMEsLine(t, sandbox)
			waitRecord(t, demo, "hello", "unverified", "")
		})
		t.Run("article", func(t *testing.T) {
			t.Parallel()
			produce := seed.Producer(t).With(t, map[string]string{"PUBKEY": read(t, sandbox["PUBLIC_KEY"]), "MSG": "from the article's producer"})
			cmd, log := produce.Program(t, "BROKERS="+sandbox["BROKERS"], "METRICS_ADDR=")
			stop := ownGroup(cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				stop()
				if _ = cmd.Wait(); t.Failed() { //nolint:errcheck // it was killed
					t.Log(log)
				}
			})
			waitRecord(t, demo, "Msg 1: from the article's producer", "unverified", "")
		})
	})
	t.Run("strict", func(t *testing.T) {
		demo.Type(t, "/format envelope")
		demo.Confidential.Wait("the pods are strict", func() bool { return demo.Confidential.Count("rejected") > 0 })
		writer := startExample(t, append(buildGo(t), "produce"), sandbox)
		writer.write("to a strict pod")
		waitRecord(t, demo, "to a strict pod", "verified", "sandbox")
	})
}

// Without this, a dashboard could not show the demo, or its metrics could be reached from another computer.
func TestDemosMetrics(t *testing.T) {
	demo := harness.StartLab(t, "", envelope.FormatRSA)
	demo.Confidential.Wait("a record is decrypted", func() bool { return demo.Confidential.Count("decrypted") > 0 })
	urls := regexp.MustCompile(`http://localhost:\d+/metrics`).FindAllString(demo.Output(), -1)
	if len(urls) != 3 {
		t.Fatalf("the demo prints %d addresses of metrics: %s", len(urls), demo.Output())
	}
	for i, program := range []string{"consume", "consume", "produce"} {
		if text := string(demo.Confidential.Get(urls[i])); !strings.Contains(text, `program="`+program+`"`) {
			t.Errorf("%s is not of %s: %s", urls[i], program, text)
		}
	}
}

// sandboxSettings gives the settings that the demo's command gives to a shell.
func sandboxSettings(t *testing.T, demo *harness.Lab) map[string]string {
	t.Helper()
	command := regexp.MustCompile(`(?m)^ *(\. /\S+/sandbox\.env)$`).FindStringSubmatch(demo.Output())
	if command == nil {
		t.Fatalf("the demo names no sandbox: %s", demo.Output())
	}
	cmd := exec.Command("sh", "-c", command[1]+" && env")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if slices.Contains([]string{"BROKERS", "TOPIC", "PUBLIC_KEY", "SIGNING_KEY", "SENDERS_FILE"}, name) {
			settings[name] = value
		}
	}
	if len(settings) != 5 {
		t.Fatalf("the sandbox lacks a setting: %s", out)
	}
	if info, err := os.Stat(settings["SIGNING_KEY"]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the signing key: %v, %v", info, err)
	}
	return settings
}

// waitRecord waits until the demo's page shows a message of that sender, and nothing unusual about it.
func waitRecord(t *testing.T, demo *harness.Lab, text, state, sender string) {
	t.Helper()
	var found harness.Record
	demo.Confidential.Wait("the page shows "+text, func() bool {
		records := demo.Confidential.Records()
		i := slices.IndexFunc(records, func(r harness.Record) bool { return r.Value == text && r.State == "decrypted" })
		if i >= 0 {
			found = records[i]
		}
		return i >= 0
	})
	if found.Sender.State != state || found.Sender.Name != sender || len(found.Flags) > 0 {
		t.Errorf("%q is shown with the sender %+v and the flags %v, want %s %s and none", text, found.Sender, found.Flags, state, sender)
	}
}

// writeOwn lets an example write to a topic that the demo's broker does not know yet.
func writeOwn(t *testing.T, command []string, sandbox map[string]string, topic string) {
	t.Helper()
	own := maps.Clone(sandbox)
	own["TOPIC"] = topic
	startExample(t, command, own).write("to a topic of its own")
	conf := sarama.NewConfig()
	conf.Metadata.AllowAutoTopicCreation = false // the example must create it
	client, err := sarama.NewClient([]string{own["BROKERS"]}, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	harness.Eventually(t, "there is a record in "+topic, func() bool {
		end, err := client.GetOffset(topic, 0, sarama.OffsetNewest)
		return err == nil && end > 0
	})
}

// readOwn lets an example read what our producer writes for a key of its own, to a topic that the demo's broker does not know yet.
func readOwn(t *testing.T, command []string, sandbox map[string]string, topic string) {
	t.Helper()
	own, key := maps.Clone(sandbox), harness.NewKeyOf(t, 2048)
	own["TOPIC"], own["PRIVATE_KEYS"] = topic, filepath.Join(t.TempDir(), "private.pem")
	write(t, own["PRIVATE_KEYS"], harness.PrivatePEM(t, key))
	harness.StartProducer(t, broker(own["BROKERS"]), harness.PublicPEM(t, &key.PublicKey), strings.NewReader("from ours\n"),
		"TOPIC="+topic, "FORMAT=jwe", "SIGNING_KEY_FILE="+own["SIGNING_KEY"]).WaitExit()
	startExample(t, command, own).wait("from ours")
}

// broker is the address of a broker.
type broker string

func (b broker) ListenAddrs() []string { return []string{string(b)} }

// runREADMEsLine encrypts with the command that the README shows, and sends its output.
func runREADMEsLine(t *testing.T, sandbox map[string]string) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^printf .*openssl pkeyutl.*$`).FindString(harness.ReadFile(t, "README.md"))
	if line == "" {
		t.Fatal("the README has no such line")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pub.pem"), read(t, sandbox["PUBLIC_KEY"]))
	cmd := exec.Command("sh", "-c", line+` | kcat -P -b "$0" -t "$1"`, sandbox["BROKERS"], sandbox["TOPIC"])
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, bytes.TrimSpace(out))
	}
}
