package producer

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/kafkaconf"
)

// Without it a producer that cannot write would log nothing for hours, or the same cause four times a second.
func TestStatusReportsTheCause(t *testing.T) {
	settings := kafkaconf.Settings{Brokers: []string{"127.0.0.1:1"}}
	conf, err := settings.Sarama("x")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		code  sarama.KError // of each write
		probe func() error
		state state
		cause string
	}{
		"too few replicas":  {sarama.ErrNotEnoughReplicas, func() error { return nil }, stateRefused, "min.insync.replicas"},
		"no topic":          {sarama.ErrUnknownTopicOrPartition, func() error { return sarama.ErrUnknownTopicOrPartition }, stateNoTopic, "the topic does not exist"},
		"away":              {sarama.ErrNoError, func() error { return sarama.ErrOutOfBrokers }, stateUnreachable, "no broker answers"},
		"no answer":         {sarama.ErrNoError, func() error { time.Sleep(time.Hour); return nil }, stateUnreachable, "does not answer in time"},
		"no cause is known": {sarama.ErrNoError, func() error { return nil }, stateUnreachable, "does not answer in time"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			log := new(strings.Builder)
			s := newStatus(settings.Explain, slog.New(slog.NewTextHandler(log, nil)))
			m := newMetrics(Build{}, s, new(keyFiles))
			check := func(when string, want state) {
				t.Helper()
				synctest.Wait()
				if got, _, _ := s.current(); got != want {
					t.Errorf("%s, %s: the state is %q, want %q", name, when, got, want)
				}
				for _, each := range states() {
					if got := gauge(t, m, "e2ee_kafka_state", string(each)); (got == 1) != (each == want) {
						t.Errorf("%s, %s: e2ee_kafka_state{state=%q} is %v", name, when, each, got)
					}
				}
				missing := m.missing()
				if named := len(missing) == 1 && missing[0].Part == "kafka" && missing[0].State == string(want); named == (want == stateWriting) {
					t.Errorf("%s, %s: /readyz gives %+v", name, when, missing)
				}
				if want == test.state && (!strings.Contains(missing[0].Detail, test.cause) || time.Since(missing[0].Since) > 5*time.Second) {
					t.Errorf("%s, %s: /readyz gives %+v", name, when, missing)
				}
			}
			check("at the start", stateConnecting)
			s.recovered(ctx)
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				s.watch(ctx, 0, func() *sarama.Config { return conf }, test.probe)
			}()
			time.Sleep(time.Hour)
			check("with nothing to do", stateWriting)
			p := inFlightRecord(&s.inFlight)
			s.partitionResult(0, test.code)
			time.Sleep(5 * time.Second)
			check("after five seconds", test.state)
			if n := strings.Count(log.String(), test.cause); n != 1 {
				t.Errorf("%s: the log says it %d times in five seconds: %s", name, n, log)
			}
			if got := gauge(t, m, "e2ee_producer_oldest_unacknowledged_seconds", ""); got != 5 {
				t.Errorf("%s: the oldest record waits for %v s", name, got)
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if n := strings.Count(log.String(), test.cause); n < 9 || n > 11 {
				t.Errorf("%s: the log says it %d times in ten minutes", name, n)
			}
			s.partitionResult(0, sarama.ErrNoError)
			s.inFlight.remove(p)
			s.acknowledged.Add(1)
			time.Sleep(time.Second)
			check("recovered", stateWriting)
			if !strings.Contains(log.String(), "writing to Kafka again") || !strings.Contains(s.lastCause(), test.cause) {
				t.Errorf("%s: the last cause is %q, the log: %s", name, s.lastCause(), log)
			}
			if got := gauge(t, m, "e2ee_producer_oldest_unacknowledged_seconds", ""); got != 0 {
				t.Errorf("%s: the oldest record waits for %v s although there is none", name, got)
			}
			cancel()
			<-stop
			time.Sleep(time.Hour) // until the probe without a result ends
		})
	}
}

// inFlightRecord adds a batch of one record to the list.
func inFlightRecord(list *inFlightList) *sentRecord {
	batch := new(sentBatch)
	m := batch.add(new(record), false)
	list.add(batch)
	return m
}

// gauge returns the value of a metric, with the given state if it is not empty.
func gauge(t *testing.T, m metrics, name, state string) float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && (state == "" || metric.GetLabel()[0].GetValue() == state) {
				return metric.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no %s of %q", name, state)
	return 0
}

// Without it slow acknowledgments of many records would be reported as an outage.
func TestStatusOfASlowKafka(t *testing.T) {
	settings := kafkaconf.Settings{Brokers: []string{"127.0.0.1:1"}}
	conf, err := settings.Sarama("x")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		log := new(strings.Builder)
		s := newStatus(settings.Explain, slog.New(slog.NewTextHandler(log, nil)))
		go s.watch(ctx, 0, func() *sarama.Config { return conf }, func() error { return nil })
		inFlightRecord(&s.inFlight) // it stays in flight
		for range 100 {
			time.Sleep(time.Second)
			s.acknowledged.Add(1)
		}
		synctest.Wait()
		if got, _, _ := s.current(); got != stateWriting || log.Len() > 0 {
			t.Errorf("the state is %q, the log: %s", got, log)
		}
		cancel()
		synctest.Wait()
	})
}

// Without it the metric of the oldest record would be wrong, or the list would lose records.
func TestInFlightList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list inFlightList
		all := make([]*sentRecord, 5)
		for i := range all {
			all[i] = inFlightRecord(&list)
			time.Sleep(time.Second)
		}
		for _, step := range []struct {
			remove int
			want   time.Duration
		}{{1, 5}, {0, 3}, {4, 3}, {2, 2}, {3, 0}} {
			list.remove(all[step.remove])
			if got := list.oldest(); got != step.want*time.Second {
				t.Errorf("without %d: %v, want %d s", step.remove, got, step.want)
			}
		}
		done := list.waitForPartition()
		time.Sleep(time.Minute)
		if got := list.oldest(); got != time.Minute {
			t.Errorf("one that waits for its partition: %v", got)
		}
		done()
		if got := list.oldest(); got != 0 {
			t.Errorf("nothing waits: %v", got)
		}
	})
}
