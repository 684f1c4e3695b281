package e2e_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// Without it an outage of Kafka, of which there is one at every upgrade, would
// lose messages whose delivery the producer reported.
func TestOutageWhileProducing(t *testing.T) {
	t.Parallel()
	const before, during, after = 200, 200, 200
	for _, fault := range []struct {
		name        string
		begin, mend func(*realKafka, testing.TB)
	}{
		{"stopped", (*realKafka).stop, (*realKafka).start},
		{"paused", (*realKafka).pause, (*realKafka).unpause},
		{"killed and restarted", (*realKafka).kill, (*realKafka).start},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			c, key := startKafka(t, 2), newKey(t)
			_, url := sidecar(t, key)
			p, _ := startConsumer(t, c, url)
			in, feed := io.Pipe()
			defer feed.Close()
			producer := startProducer(t, c, publicPEM(t, &key.PublicKey), in)
			lines := func(from, to int) {
				for n := from; n < to; n++ {
					if _, err := fmt.Fprintf(feed, "message %d\n", n); err != nil {
						t.Error(err)
					}
				}
			}
			lines(0, before)
			p.wait("the first messages are read", func() bool { return read(p) == before })

			lines(before, before+during/2) // still on their way when it happens
			fault.begin(c, t)
			lines(before+during/2, before+during)
			fault.mend(c, t)
			lines(before+during, before+during+after)
			feed.Close()
			producer.ended() // with status 0 only if every message was acknowledged

			const all = before + during + after
			if want := fmt.Sprintf(`"sent":%d,"acknowledged":%d,"failed":0`, all, all); !strings.Contains(producer.log.String(), want) {
				t.Errorf("the producer does not say %s: %s", want, producer.log)
			}
			records := p.waitStates(map[string]int{"decrypted": all})
			times := map[string]int{}
			places := map[string]bool{}
			for _, r := range records {
				times[r.Value]++
				if places[place(r)] {
					t.Errorf("%s is on the page twice", place(r))
				}
				places[place(r)] = true
			}
			for n := range all {
				// Idempotent writes: a retry does not store a message twice.
				if got := times[fmt.Sprintf("message %d", n)]; got != 1 {
					t.Errorf("message %d is on the page %d times", n, got)
				}
			}
		})
	}
}

// Without it the loss of a consumer would leave its partitions unread.
func TestConsumerKilled(t *testing.T) {
	t.Parallel()
	for _, members := range []int{2, 3} {
		t.Run(fmt.Sprintf("one of %d", members), func(t *testing.T) {
			t.Parallel()
			c, key := startKafka(t, 6), newKey(t)
			_, url := sidecar(t, key)
			var pods []*pod
			var processes []*process
			for range members {
				p, process := startConsumer(t, c, url)
				p.wait("it reads", func() bool { return strings.Contains(p.log.String(), `"reading"`) })
				pods, processes = append(pods, p), append(processes, process)
			}
			sent := 0
			some := func(n int) {
				for range n {
					write(t, c, int32(sent%6), encrypt(t, key, fmt.Sprintf("message %d", sent)))
					sent++
				}
			}
			shown := map[string]bool{}
			all := func() bool {
				for _, p := range pods {
					for _, r := range p.records() {
						if r.State == "decrypted" {
							shown[r.Value] = true
						}
					}
				}
				return len(shown) == sent
			}
			some(60)
			pods[0].wait("all members together show everything", all)
			processes[0].kill()
			pods = pods[1:]
			some(60)
			pods[0].wait("the others show everything that is new", all)
		})
	}
}

// Without it a broker that hangs would hold a pod that shall end until it is
// killed; Docker does that after ten seconds.
func TestConsumerEndsWhileKafkaHangs(t *testing.T) {
	t.Parallel()
	c := startKafka(t, 1)
	p, process := startConsumer(t, c, nowhere)
	p.wait("it reads", func() bool { return strings.Contains(p.log.String(), `"reading"`) })
	c.pause(t)
	defer c.unpause(t)
	process.end()
	if !strings.Contains(p.log.String(), "without a goodbye") {
		t.Errorf("it does not say that it gave up: %s", p.log)
	}
}
