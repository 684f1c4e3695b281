package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Without this somebody who applies the document's manifests with our images
// sees nothing: the images must work with what they declare, and nothing else.
//
// The containers are run as the manifests have them, command and environment,
// with the public key and the vault's name filled in. The cluster's address is a
// name that leads to the compose demo's Kafka; consumer and sidecar share the
// network of a container that does nothing, as in a pod.
func TestSeedImages(t *testing.T) {
	d := startDemo(t)
	key := filepath.Join(t.TempDir(), "key.pem")
	docker(t, "cp", d.container("producer")+":/keys/public/key.pem", key)
	public, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	network := demoName + "_default"
	kafka := docker(t, "inspect", "--format", `{{(index .NetworkSettings.Networks "`+network+`").IPAddress}}`, d.container("kafka"))
	bootstrap := []string{"--network", network, "--add-host", "my-cluster-kafka-bootstrap:" + kafka}

	run := func(args ...string) string {
		t.Helper()
		id := docker(t, append([]string{"run", "--detach", "--read-only", "--cap-drop", "ALL"}, args...)...)
		t.Cleanup(func() { docker(t, "rm", "--force", id) })
		return id
	}
	as := func(image string, c declared, args ...string) string {
		t.Helper()
		for name, value := range c.env {
			args = append(args, "--env", name+"="+value)
		}
		return run(append(args, "--entrypoint", c.command[0], image)...)
	}
	as(image("producer"), seedProducer(t).with(t, map[string]string{"PUBKEY": string(public), "MSG": "by the document's manifest"}), bootstrap...)

	page := freeAddr(t)
	owner := run(append(bootstrap, "--publish", page+":3333", image("lab"), "pause")...)
	inPod := "container:" + owner
	declaration := seedConsumer(t).with(t, map[string]string{"SkrClientAKVEndpoint": "demo.vault.azure.net"})
	run("--network", inPod, "--tmpfs", "/keys/public:uid=65532", "--volume", demoName+"_private-key:/keys/private", image("lab"),
		"sidecar", "-attestation", declaration.env["SkrClientMAAEndpoint"], "-vault", declaration.env["SkrClientAKVEndpoint"])
	consumer := as(image("consumer"), declaration, "--network", inPod)

	p := &pod{t: t, page: "http://" + page, log: new(buffer)}
	p.wait("the message is shown decrypted", func() bool {
		return slices.ContainsFunc(p.records(), func(r record) bool {
			return r.State == "decrypted" && strings.HasSuffix(r.Value, ": by the document's manifest")
		})
	})
	logs, err := exec.Command("docker", "logs", consumer).CombinedOutput()
	if err != nil || !strings.Contains(string(logs), "reading") || strings.Contains(string(logs), "by the document") {
		t.Errorf("the consumer's log cannot be read, or has the message in it: %v\n%s", err, logs)
	}
}
