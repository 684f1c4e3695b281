package e2e_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

var demoName = "kafka-e2ee-test-" + checkout()

// demo is the compose demo, under a name and on ports of its own.
type demo struct {
	t    testing.TB
	env  []string
	addr string // Kafka, from outside
	*pod        // the confidential pod's page
}

func (d *demo) ListenAddrs() []string { return []string{d.addr} }

func (d *demo) script(name string, args ...string) (string, error) {
	cmd := exec.Command("../deploy/compose/"+name, args...)
	cmd.Env = append(os.Environ(), d.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *demo) container(service string) string {
	d.t.Helper()
	return docker(d.t, "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+demoName, "--filter", "label=com.docker.compose.service="+service)
}

func startDemo(t testing.TB) *demo {
	t.Helper()
	need(t, engine, compose, kafkaImage)
	buildImages(t)
	pages, kafka := freeAddr(t), freeAddr(t)
	d := &demo{t: t, addr: kafka, pod: &pod{t: t, page: "http://" + pages, log: new(buffer)}}
	d.env = []string{"PROJECT=" + demoName, "TAG=" + imageTag, "PORT=" + portOf(t, pages), "ORDINARY_PORT=" + portOf(t, freeAddr(t)), "KAFKA_PORT=" + portOf(t, kafka)}
	down := func() {
		if out, err := d.script("compose", "down", "--volumes", "--timeout", "0"); err != nil {
			t.Errorf("ending the demo: %v\n%s", err, out)
		}
	}
	down() // what an earlier run may have left
	t.Cleanup(func() {
		if t.Failed() {
			status, _ := d.script("compose", "ps")                 //nolint:errcheck // the test has failed already
			logs, _ := d.script("compose", "logs", "--tail", "15") //nolint:errcheck // as above
			t.Logf("%s\n%s", status, logs)
		}
		down()
	})
	out, err := d.script("up")
	if err != nil {
		t.Fatalf("starting the demo: %v\n%s", err, out)
	}
	if !strings.Contains(out, "http://localhost:"+portOf(t, pages)) {
		t.Errorf("it does not say what to open: %s", out)
	}
	return d
}

func portOf(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Without it the demo on real Kafka would not tell its story, or stand still in
// front of an audience after the crash of any one of its containers.
func TestComposeDemoHeals(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ordinary := &pod{t: t, page: "http://127.0.0.1:" + strings.TrimPrefix(d.env[3], "ORDINARY_PORT="), log: new(buffer)}
	in, feed := io.Pipe()
	defer feed.Close()
	key := newKey(t) // which nobody else holds
	producer := startProducer(t, d, publicPEM(t, &key.PublicKey), in)
	sent := 0
	moving := func() {
		t.Helper()
		for range 5 {
			if _, err := fmt.Fprintf(feed, "message %d\n", sent); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		for _, p := range []struct {
			*pod
			state string
		}{{d.pod, "decrypted"}, {ordinary, "no_key"}} {
			before := newest(p.records(), p.state)
			p.wait("new records arrive as "+p.state, func() bool { return newest(p.records(), p.state) > before })
		}
	}
	moving()
	if out, err := d.script("up"); err != nil || !strings.Contains(out, "running already") {
		t.Errorf("started twice: %v\n%s", err, out)
	}
	for _, service := range []string{"sidecar", "producer", "ordinary", "consumer", "pod", "kafka"} {
		id := d.container(service)
		started := docker(t, "inspect", "--format", "{{.State.StartedAt}}", id)
		begin := time.Now()
		d.kill(docker(t, "inspect", "--format", "{{.State.Pid}}", id))
		d.wait(service+" is started again", func() bool {
			now := docker(t, "inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", id)
			return strings.HasPrefix(now, "true ") && now != "true "+started
		})
		moving()
		d.wait("all are healthy", func() bool {
			status := docker(t, "ps", "--filter", "label=com.docker.compose.project="+demoName, "--format", "{{.Status}}")
			return strings.Count(status, "(healthy)") == 5
		})
		d.wait("the key is there", func() bool { return d.keyState() == "released" })
		t.Logf("%s: healed after %v", service, time.Since(begin).Round(time.Second))
	}
	feed.Close()
	producer.ended()
	if want := fmt.Sprintf(`"acknowledged":%d,"failed":0`, sent); !strings.Contains(producer.log.String(), want) {
		t.Errorf("the producer does not say %s: %s", want, producer.log)
	}
	times := map[string]int{}
	for _, values := range stored(t, d) {
		for _, value := range values {
			times[opened(key, value)]++
		}
	}
	for n := range sent {
		if got := times[fmt.Sprintf("message %d", n)]; got != 1 {
			t.Errorf("message %d, which was acknowledged, is in the topic %d times", n, got)
		}
	}
}

// opened is the message in a record, or nothing where the key does not open it.
func opened(key *rsa.PrivateKey, value []byte) string {
	block, err := base64.StdEncoding.DecodeString(string(value))
	if err != nil {
		return ""
	}
	text, err := rsa.DecryptOAEP(sha256.New(), nil, key, block, nil)
	if err != nil {
		return ""
	}
	return string(text)
}

// newest is the offset of the newest record in that state, or -1.
func newest(records []record, state string) int64 {
	offset := int64(-1)
	for _, r := range records {
		if r.State == state {
			offset = max(offset, r.Offset)
		}
	}
	return offset
}

// kill ends a process of a container from outside, as a crash does; a kill by
// way of Docker would count as wanted, and the restart policy would not apply.
func (d *demo) kill(pid string) {
	d.t.Helper()
	if _, err := strconv.Atoi(pid); err != nil {
		d.t.Fatal(err)
	}
	docker(d.t, "run", "--rm", "--pid", "host", "--user", "0", "--entrypoint", "bash", chosenKafka(d.t), "-c", "kill -9 "+pid)
}
