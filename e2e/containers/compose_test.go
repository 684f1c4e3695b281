package containers_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

var demoName = "kafka-e2ee-test-" + checkout()

// demo is the compose demo, under its own name and on its own ports.
type demo struct {
	t            testing.TB
	env          []string
	addr         string // Kafka, from outside
	console      string // URL of the console
	*harness.Pod        // the confidential pod's page
}

func (d *demo) ListenAddrs() []string { return []string{d.addr} }

func (d *demo) script(name string, args ...string) (string, error) {
	cmd := exec.Command("../../deploy/compose/"+name, args...)
	cmd.Env = append(os.Environ(), d.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *demo) container(service string) string {
	d.t.Helper()
	return harness.Docker(d.t, "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+demoName, "--filter", "label=com.docker.compose.service="+service)
}

// portOf returns the port of an address.
func portOf(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// defaultConsolePort is the console's port, also in the pod: there it is then asked under a name that it has for its viewers,
// too. If this computer's is taken, it is another one.
func defaultConsolePort(t testing.TB) string {
	t.Helper()
	const port = "3335"
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Logf("port %s is taken: the console gets another one", port)
		return portOf(t, harness.FreeAddr(t))
	}
	listener.Close()
	return port
}

// startDemo starts the demo with its console published at a port.
func startDemo(t testing.TB, console string) *demo {
	t.Helper()
	harness.Require(t, harness.Engine, harness.Compose, harness.KafkaImage)
	buildImages(t)
	harness.ReserveKafka(t, 1)
	pages, kafka := harness.FreeAddr(t), harness.FreeAddr(t)
	d := &demo{t: t, addr: kafka, console: "http://localhost:" + console, Pod: &harness.Pod{T: t, Page: "http://" + pages, Log: new(harness.LogBuffer)}}
	d.env = []string{"PROJECT=" + demoName, "TAG=" + imageTag, "PORT=" + portOf(t, pages), "ORDINARY_PORT=" + portOf(t, harness.FreeAddr(t)), "KAFKA_PORT=" + portOf(t, kafka), "CONSOLE_PORT=" + console}
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
	for _, address := range []string{"http://localhost:" + portOf(t, pages), d.console} {
		if !strings.Contains(out, address) {
			t.Errorf("it does not print the address %s: %s", address, out)
		}
	}
	return d
}

// Without this the demo on real Kafka could fail to tell its story, or stop in front of an audience after a crash of
// one container.
func TestComposeDemoRecovers(t *testing.T) {
	t.Parallel()
	d := startDemo(t, defaultConsolePort(t))
	ordinary := &harness.Pod{T: t, Page: "http://127.0.0.1:" + strings.TrimPrefix(d.env[3], "ORDINARY_PORT="), Log: new(harness.LogBuffer)}
	in, feed := io.Pipe()
	defer feed.Close()
	key := harness.NewKey(t) // nobody else holds it
	producer := harness.StartProducer(t, d, harness.PublicPEM(t, &key.PublicKey), in)
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
			*harness.Pod
			state string
		}{{d.Pod, "decrypted"}, {ordinary, "no_key"}} {
			before := newest(p.Records(), p.state)
			p.Wait("new records arrive as "+p.state, func() bool { return newest(p.Records(), p.state) > before })
		}
	}
	moving()
	for _, page := range []string{d.Page, ordinary.Page} {
		for host, want := range map[string]int{"localhost:3333": http.StatusOK, "127.0.0.1": http.StatusOK, "elsewhere.example": http.StatusMisdirectedRequest} {
			if got := statusUnder(t, page, host); got != want {
				t.Errorf("%s under the name %s: status %d, want %d", page, host, got, want)
			}
		}
	}
	consoleBeside(t, d)
	consoleOf(t, d, ordinary)
	moving()
	d.env = append(d.env, "FORMAT=envelope") // and with the strict policy, while it runs
	if out, err := d.script("up"); err != nil || !strings.Contains(out, "running already") {
		t.Errorf("started again with another format: %v\n%s", err, out)
	}
	d.Wait("records have a proven sender, and those of the other format are rejected", func() bool {
		proven := slices.ContainsFunc(d.Records(), func(r harness.Record) bool { return r.State == "decrypted" && r.Sender.State == "verified" })
		return proven && newest(d.Records(), "rejected") >= 0
	})
	for _, service := range []string{"lab", "ordinary", "consumer", "pod", "kafka"} {
		id := d.container(service)
		started := harness.Docker(t, "inspect", "--format", "{{.State.StartedAt}}", id)
		begin := time.Now()
		d.kill(harness.Docker(t, "inspect", "--format", "{{.State.Pid}}", id))
		d.Wait(service+" is started again", func() bool {
			now := harness.Docker(t, "inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", id)
			return strings.HasPrefix(now, "true ") && now != "true "+started
		})
		moving()
		d.Wait("all are healthy", func() bool {
			status := harness.Docker(t, "ps", "--filter", "label=com.docker.compose.project="+demoName, "--format", "{{.Status}}")
			return strings.Count(status, "(healthy)") == 4
		})
		d.Wait("the key is released", func() bool { return d.KeyState() == "released" })
		t.Logf("%s: recovered after %v", service, time.Since(begin).Round(time.Second))
	}
	feed.Close()
	producer.WaitExit()
	if want := fmt.Sprintf(`"acknowledged":%d,"failed":0`, sent); !strings.Contains(producer.Log.String(), want) {
		t.Errorf("the producer does not say %s: %s", want, producer.Log)
	}
	times := map[string]int{}
	for _, values := range harness.Stored(t, d) {
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

// consoleBeside runs the console on the demo's Kafka, with everything that it can do there, and checks that nothing of it is
// left.
func consoleBeside(t *testing.T, d *demo) {
	t.Run("console", func(t *testing.T) {
		l := harness.StartLabOn(t, d.addr, "", envelope.FormatEnvelope)
		pod := l.Confidential
		pod.Wait("a record is read", func() bool { return newest(pod.Records(), "decrypted") >= 0 })
		pod.Wait("the console shows the topic", func() bool { return strings.Contains(string(pod.Get(l.Console)), harness.Topic+"-") })
		for n, attack := range []string{"replay", "rewind"} {
			l.Type(t, "/"+attack)
			pod.Wait(attack+" has an outcome", func() bool { return strings.Count(l.Output(), "(envelope, signed): ") > n })
		}
		l.Type(t, "from the audience")
		pod.Wait("the line is read", func() bool {
			return slices.ContainsFunc(pod.Records(), func(r harness.Record) bool { return r.Value == "from the audience" })
		})
		l.Type(t, "/scenario tampered")
		pod.Wait("the key is refused, and the history is there", func() bool { return pod.KeyState() == "refused" && newest(pod.Records(), "no_key") >= 0 })
		if strings.Contains(l.Output(), "nothing can be said") {
			t.Errorf("an attack failed: %s", l.Output())
		}
	})
	admin := harness.Admin(t, d)
	topics, err := admin.ListTopics()
	if err != nil {
		t.Fatal(err)
	}
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range slices.Concat(slices.Collect(maps.Keys(topics)), slices.Collect(maps.Keys(groups))) {
		if strings.HasPrefix(left, harness.Topic+"-") {
			t.Errorf("%s is left in Kafka", left)
		}
	}
}

// statusUnder returns the status of a page that is requested under another host name, as by DNS rebinding.
func statusUnder(t testing.TB, page, host string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// opened returns the message in a record, or nothing if the key does not open it.
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

// newest returns the offset of the newest record in a state, or -1.
func newest(records []harness.Record, state string) int64 {
	offset := int64(-1)
	for _, r := range records {
		if r.State == state {
			offset = max(offset, r.Offset)
		}
	}
	return offset
}

// kill kills a process of a container from outside, as a crash does: after "docker kill" the restart policy would not
// apply.
func (d *demo) kill(pid string) {
	d.t.Helper()
	if _, err := strconv.Atoi(pid); err != nil {
		d.t.Fatal(err)
	}
	harness.Docker(d.t, "run", "--rm", "--pid", "host", "--user", "0", "--entrypoint", "bash", harness.KafkaImageName(d.t), "-c", "kill -9 "+pid)
}
