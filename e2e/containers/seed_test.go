package containers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/seed"
)

// Without this somebody who applies the article's manifests with our images would see nothing: the images must work
// with exactly what the manifests declare.
//
// The containers run with the manifests' command and environment, with the public key and the vault's name filled in.
// The cluster's name leads to the compose demo's Kafka. Consumer and sidecar share the network of a container that does
// nothing, as in a pod.
func TestSeedImages(t *testing.T) {
	d := startDemo(t, portOf(t, harness.FreeAddr(t)))
	key := filepath.Join(t.TempDir(), "key.pem")
	harness.Docker(t, "cp", d.container("lab")+":/keys/public/public-key.pem", key)
	public, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	network := demoName + "_default"
	kafka := harness.Docker(t, "inspect", "--format", `{{(index .NetworkSettings.Networks "`+network+`").IPAddress}}`, d.container("kafka"))
	bootstrap := []string{"--network", network, "--add-host", "my-cluster-kafka-bootstrap:" + kafka}

	run := func(args ...string) string {
		t.Helper()
		id := harness.Docker(t, append([]string{"run", "--detach", "--read-only", "--cap-drop", "ALL"}, args...)...)
		t.Cleanup(func() { harness.Docker(t, "rm", "--force", id) })
		return id
	}
	as := func(image string, c seed.Container, args ...string) string {
		t.Helper()
		for name, value := range c.Env {
			args = append(args, "--env", name+"="+value)
		}
		return run(append(args, "--entrypoint", c.Command[0], image)...)
	}
	as(image("producer"), seed.Producer(t).With(t, map[string]string{"PUBKEY": string(public), "MSG": "by the article's manifest"}), bootstrap...)

	page := harness.FreeAddr(t)
	owner := run(append(bootstrap, "--publish", page+":3333", image("lab"), "pause")...)
	inPod := "container:" + owner
	declaration := seed.Consumer(t).With(t, map[string]string{"SkrClientAKVEndpoint": "demo.vault.azure.net"})
	run("--network", inPod, "--tmpfs", "/keys/public:uid=65532", "--volume", demoName+"_private-key:/keys/private", image("lab"),
		"sidecar", "-attestation", declaration.Env["SkrClientMAAEndpoint"], "-vault", declaration.Env["SkrClientAKVEndpoint"])
	consumer := as(image("consumer"), declaration, "--network", inPod)

	p := &harness.Pod{T: t, Page: "http://" + page, Log: new(harness.LogBuffer)}
	p.Wait("the message is shown decrypted", func() bool {
		return slices.ContainsFunc(p.Records(), func(r harness.Record) bool {
			return r.State == "decrypted" && strings.HasSuffix(r.Value, ": by the article's manifest")
		})
	})
	logs, err := exec.Command("docker", "logs", consumer).CombinedOutput()
	if err != nil || !strings.Contains(string(logs), "reading") || strings.Contains(string(logs), "by the article") {
		t.Errorf("the consumer's log cannot be read, or has the message in it: %v\n%s", err, logs)
	}
}
