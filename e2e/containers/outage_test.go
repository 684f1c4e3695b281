package containers_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
)

// Without this an outage of Kafka, as at every upgrade, would lose messages that the producer reported as delivered.
func TestOutageWhileProducing(t *testing.T) {
	t.Parallel()
	const before, during, after = 200, 200, 200
	for _, fault := range []struct {
		name        string
		begin, mend func(*realkafka.Kafka, testing.TB)
	}{
		{"stopped", (*realkafka.Kafka).Stop, (*realkafka.Kafka).Start},
		{"paused", (*realkafka.Kafka).Pause, (*realkafka.Kafka).Unpause},
		{"killed and restarted", (*realkafka.Kafka).Kill, (*realkafka.Kafka).Start},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			c, key := realkafka.Start(t, 2), harness.NewKey(t)
			_, url := harness.Sidecar(t, key)
			p, _ := harness.StartConsumer(t, c, url)
			in, feed := io.Pipe()
			defer feed.Close()
			producer := harness.StartProducer(t, c, harness.PublicPEM(t, &key.PublicKey), in)
			lines := func(from, to int) {
				for n := from; n < to; n++ {
					if _, err := fmt.Fprintf(feed, "message %d\n", n); err != nil {
						t.Error(err)
					}
				}
			}
			lines(0, before)
			p.Wait("the first messages are read", func() bool { return p.RecordsRead() >= before })

			lines(before, before+during/2) // still in flight when it happens
			fault.begin(c, t)
			lines(before+during/2, before+during)
			fault.mend(c, t)
			lines(before+during, before+during+after)
			feed.Close()
			producer.WaitExit() // status 0 only if every message was acknowledged

			const all = before + during + after
			if want := fmt.Sprintf(`"sent":%d,"acknowledged":%d,"failed":0`, all, all); !strings.Contains(producer.Log.String(), want) {
				t.Errorf("the producer does not say %s: %s", want, producer.Log)
			}
			records := p.WaitStates(map[string]int{"decrypted": all})
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
				// Writes are idempotent: a retry does not store a message twice.
				if got := times[fmt.Sprintf("message %d", n)]; got != 1 {
					t.Errorf("message %d is on the page %d times", n, got)
				}
			}
		})
	}
}

// Without this the partitions of a lost consumer would stay unread.
func TestConsumerKilled(t *testing.T) {
	t.Parallel()
	for _, members := range []int{2, 3} {
		t.Run(fmt.Sprintf("one of %d", members), func(t *testing.T) {
			t.Parallel()
			c, key := realkafka.Start(t, 6), harness.NewKey(t)
			_, url := harness.Sidecar(t, key)
			var pods []*harness.Pod
			var processes []*harness.Process
			for range members {
				p, process := harness.StartConsumer(t, c, url)
				p.Wait("the consumer reads", func() bool { return strings.Contains(p.Log.String(), `"reading"`) })
				pods, processes = append(pods, p), append(processes, process)
			}
			sent := 0
			some := func(n int) {
				for range n {
					harness.Write(t, c, int32(sent%6), harness.Encrypt(t, key, fmt.Sprintf("message %d", sent)))
					sent++
				}
			}
			shown := map[string]bool{}
			all := func() bool {
				for _, p := range pods {
					for _, r := range p.Records() {
						if r.State == "decrypted" {
							shown[r.Value] = true
						}
					}
				}
				return len(shown) == sent
			}
			some(60)
			pods[0].Wait("all members together show everything", all)
			processes[0].Kill()
			pods = pods[1:]
			some(60)
			pods[0].Wait("the others show everything that is new", all)
		})
	}
}

// Without this a hanging broker would keep a pod from ending until it is killed; Docker kills after ten seconds.
func TestConsumerEndsWhileKafkaHangs(t *testing.T) {
	t.Parallel()
	c := realkafka.Start(t, 1)
	p, process := harness.StartConsumer(t, c, harness.NoSidecar)
	p.Wait("the consumer reads", func() bool { return strings.Contains(p.Log.String(), `"reading"`) })
	c.Pause(t)
	defer c.Unpause(t)
	process.Stop()
	if !strings.Contains(p.Log.String(), "ending without leaving the group") {
		t.Errorf("it does not say that it gave up: %s", p.Log)
	}
}
