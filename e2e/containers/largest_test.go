package containers_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/envelope"
)

// largest is what one record may hold by Kafka's default, less its overhead.
const largest = 1_000_000

// largestPoisons makes bad records of every kind, each of the largest size that Kafka accepts, and says how many are
// sent.
func largestPoisons(t *testing.T, k harness.Keys) map[string]struct {
	count int
	make  func() *sarama.ProducerMessage
} {
	t.Helper()
	const text = "never to be shown"
	jwe := harness.NewSealer(t, k.Private, "", envelope.FormatJWE, harness.Topic)
	of := func(value []byte) *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Value: sarama.ByteEncoder(value)}
	}
	type kind = struct {
		count int
		make  func() *sarama.ProducerMessage
	}
	return map[string]kind{
		// A prefix with 15 readers needs no key: only what follows it is authenticated.
		"prefix": {600, func() *sarama.ProducerMessage {
			value := append([]byte{0xC1, 0, 1, 't'}, harness.RandomBytes(32+16, 32+16)...)
			value = append(value, 15)
			for range 15 {
				value = append(append(value, harness.RandomBytes(32, 32)...), 0xFF, 0xFF)
				value = append(value, make([]byte, 65_535)...)
			}
			return of(append(value, harness.RandomBytes(28, 28)...))
		}},
		"rsa": {30, func() *sarama.ProducerMessage {
			return of([]byte(base64.StdEncoding.EncodeToString(harness.RandomBytes(384, 384))))
		}},
		"base64": {20, func() *sarama.ProducerMessage {
			return of([]byte(base64.StdEncoding.EncodeToString(harness.RandomBytes(largest/2, largest/2))))
		}},
		"nested":  {20, func() *sarama.ProducerMessage { return of(nested()) }},
		"bytes":   {20, func() *sarama.ProducerMessage { return of(append([]byte{0}, harness.RandomBytes(largest, largest)...)) }},
		"unicode": {20, func() *sarama.ProducerMessage { return of([]byte(strings.Repeat("\u3164", largest/3))) }},
		"headers": {20, func() *sarama.ProducerMessage {
			m := of([]byte(text))
			for i := range 1000 {
				m.Headers = append(m.Headers, sarama.RecordHeader{Key: fmt.Appendf(nil, "header %d", i), Value: bytes.Repeat([]byte{'<'}, 900)})
			}
			return m
		}},
		"many headers": {5, func() *sarama.ProducerMessage {
			m := of([]byte(text))
			m.Headers = slices.Repeat([]sarama.RecordHeader{{Key: []byte{}}}, 200_000)
			return m
		}},
		"key": {20, func() *sarama.ProducerMessage {
			m := of([]byte(text))
			m.Key = sarama.ByteEncoder(bytes.Repeat([]byte{'"'}, largest-1000))
			return m
		}},
		"JWE, ciphertext": {20, func() *sarama.ProducerMessage {
			parts := strings.Split(jwe0(jwe, text), ".")
			parts[3] = strings.Repeat("A", 900_000)
			return of([]byte(strings.Join(parts, ".")))
		}},
		"JWE, header": {20, func() *sarama.ProducerMessage {
			parts := strings.Split(jwe0(jwe, text), ".")
			parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"` + strings.Repeat("k", 600_000) + `"}`))
			return of([]byte(strings.Join(parts, ".")))
		}},
		"JWE, general JSON": {20, func() *sarama.ProducerMessage {
			reader := `{"header":{"alg":"RSA-OAEP-256"},"encrypted_key":"` + strings.Repeat("A", 512) + `"}`
			return of([]byte(`{"protected":"eyJlbmMiOiJBMjU2R0NNIn0","iv":"AAAAAAAAAAAAAAAA","ciphertext":"AAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA","recipients":[` +
				strings.Repeat(reader+",", 1500) + reader + `]}`))
		}},
	}
}

func jwe0(seal func(string, int32) []byte, text string) string { return string(seal(text, 0)) }

// nested returns a row of 960 KB that takes two lines for each byte when it is indented.
func nested() []byte {
	return []byte(strings.Repeat("[", 31) + strings.Repeat("1,", 480_000) + "1" + strings.Repeat("]", 31))
}

// slowViewer requests a page and reads a byte of it now and then.
func slowViewer(addr, path string, done <-chan struct{}) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil { //nolint:errcheck,forcetypeassert // it is TCP
		return err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return nil // it was cut off
	}
	one := make([]byte, 1)
	for {
		select {
		case <-done:
			return nil
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := c.Read(one); err != nil {
			return nil // it was told to come again later, or cut off
		}
	}
}

// Without this anybody with write or read access could end a consumer that has the manifests' memory and CPU, again
// after each restart.
func TestPoisonTopicOfLargestRecords(t *testing.T) {
	buildImages(t)
	c, k := realkafka.Start(t, 1), harness.NewKeys(t)
	page, metrics := harness.FreeAddr(t), harness.FreeAddr(t)
	id := harness.Docker(t, "run", "--detach", "--restart", "unless-stopped", "--network", "host", "--read-only", "--cap-drop", "ALL",
		"--memory", "1g", "--memory-swap", "1g", "--cpus", "0.2",
		"--env", "BROKERS="+c.Addr, "--env", "TOPIC="+harness.Topic, "--env", "CONSUMERGROUP=group", "--env", "SKR_URL="+k.Sidecar,
		"--env", "SkrClientKID="+harness.KeyName, "--env", "SkrClientMAAEndpoint=attestation.example", "--env", "SkrClientAKVEndpoint=vault.example",
		"--env", "WEB_ADDR="+page, "--env", "METRICS_ADDR="+metrics, image("consumer"))
	t.Cleanup(func() { harness.Docker(t, "rm", "--force", id) })
	p := &harness.Pod{T: t, Page: "http://" + page, Metrics: "http://" + metrics, Log: new(harness.LogBuffer)}
	// alive ends the test at the first restart: the counters are lost with the process.
	alive := func() {
		t.Helper()
		if got := harness.Docker(t, "inspect", "--format", "{{.RestartCount}} {{.State.OOMKilled}} {{.State.Running}}", id); got != "0 false true" {
			logged, _ := exec.Command("docker", "logs", "--tail", "5", id).CombinedOutput() //nolint:errcheck // it has failed already
			t.Fatalf("the consumer was ended; restarts, killed for memory, runs: %s\n%s", got, logged)
		}
	}
	p.Wait("the key is released", func() bool { return p.KeyState() == "released" })

	seal := harness.NewSealer(t, k.Private, "", envelope.FormatEnvelope, harness.Topic)
	good, sent := 0, 0
	put := func(codec sarama.CompressionCodec, messages ...*sarama.ProducerMessage) {
		t.Helper()
		harness.SendPacked(t, c, codec, messages...)
		sent += len(messages)
	}
	message := func(text string) *sarama.ProducerMessage {
		good++
		return &sarama.ProducerMessage{Value: sarama.ByteEncoder(seal(text, 0))}
	}
	allRead := func() bool {
		alive()
		n := 0
		for _, count := range p.RecordsByState() {
			n += count
		}
		return n >= sent
	}
	put(sarama.CompressionNone, message(string(nested())), &sarama.ProducerMessage{Value: sarama.ByteEncoder(nested())}, message("the first"))
	harness.Eventually(t, "the rows for the viewers are shown", allRead)

	done := make(chan struct{})
	var viewers sync.WaitGroup
	for path, count := range map[string]int{
		"/api/records?limit=1000": 80, "/records/" + harness.Topic + "/0/0?all=1": 40, "/records/" + harness.Topic + "/0/1?all=1": 40, "/": 20, "/api/events": 40,
	} {
		for range count {
			viewers.Go(func() {
				for {
					if err := slowViewer(page, path, done); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
					select {
					case <-done:
						return
					case <-time.After(time.Second): // and comes again
					}
				}
			})
		}
	}
	t.Cleanup(sync.OnceFunc(func() { viewers.Wait() }))
	end := sync.OnceFunc(func() { close(done) })
	t.Cleanup(end)

	kinds := largestPoisons(t, k)
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		kind := kinds[name]
		t.Logf("%s: %d of them", name, kind.count)
		for n := 0; n < kind.count; n += 10 {
			var batch []*sarama.ProducerMessage
			for range min(10, kind.count-n) {
				batch = append(batch, kind.make())
			}
			// Compressed to a thousandth, as an attacker with a slow line would send it.
			put(sarama.CompressionZSTD, batch...)
			put(sarama.CompressionNone, message(fmt.Sprint("after ", name, " ", n)))
			alive()
		}
		harness.Eventually(t, "all of "+name+" is read", allRead)
	}
	// A batch that would unpack to gigabytes is passed over, with one row.
	harness.SendPacked(t, c, sarama.CompressionZSTD, harness.Zeros(64<<20), harness.Zeros(64<<20))
	sent += 2
	put(sarama.CompressionNone, message("the last"))
	harness.Eventually(t, "all records are read", allRead)
	end()
	viewers.Wait()

	p.Wait("the page shows the last record", func() bool {
		alive()
		return strings.Contains(string(p.Get(p.Page+"/api/records?limit=5")), "the last")
	})
	got := p.RecordsByState()
	if got["decrypted"] < good || got["malformed"] < 600 {
		t.Errorf("records by state: %v, want at least %d decrypted and 600 malformed", got, good)
	}
	alive()
	t.Logf("%d records, %d of them good, %v; resident %.0f MiB", sent, good, got, harness.ResourceUse(t, p.Metrics+"/metrics")["process_resident_memory_bytes"]/(1<<20))
}
