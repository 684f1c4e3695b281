package harness

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Docker runs the Docker client and returns its output.
func Docker(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, problem.String())
	}
	return strings.TrimSpace(string(out))
}

// KafkaImageName returns the image that brokers in containers are started from.
func KafkaImageName(t testing.TB) string {
	t.Helper()
	if named := os.Getenv("KAFKA_IMAGE"); named != "" {
		return named
	}
	out, err := exec.Command("../../deploy/docker/choose", "confluentinc/confluent-local:7.5.0", "kafka-e2ee/kafka:4.3.1").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// StartConfined runs the built consumer in a container with limits, which are arguments of docker create. One that the
// kernel kills is started again, as in a cluster. It runs in the image of a broker, because that is always there.
func StartConfined(t testing.TB, limits []string, settings ...string) *Pod {
	t.Helper()
	page, metrics := FreeAddr(t), FreeAddr(t)
	args := append([]string{"create", "--network=host", "--restart=always", "--entrypoint=/consume"}, limits...)
	for _, setting := range append([]string{
		"SkrClientKID=" + KeyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example",
		"WEB_ADDR=" + page, "METRICS_ADDR=" + metrics,
	}, settings...) {
		args = append(args, "--env", setting)
	}
	id := Docker(t, append(args, KafkaImageName(t))...)
	t.Cleanup(func() { Docker(t, "rm", "--force", id) })
	Docker(t, "cp", Build(t, "consume"), id+":/consume")
	Docker(t, "start", id)
	p := &Pod{T: t, Page: "http://" + page, Metrics: "http://" + metrics, Log: new(LogBuffer)}
	p.Wait("the page is served", func() bool { return p.Get(p.Page+"/api/key") != nil })
	return p
}
