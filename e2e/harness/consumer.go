package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/consumer/keys"
	"kafka-e2ee/health"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/web/access"
)

// Pod is one running consumer.
type Pod struct {
	T       testing.TB
	Page    string // base address of the page
	Metrics string // base address of the metrics
	Log     *LogBuffer
	Stop    func() // stops it and waits
}

// Settings returns a consumer's settings, with addresses of its own.
func Settings(t testing.TB, brokers []string, sidecar string) consumer.Config {
	return consumer.Config{
		Settings: kafkaconf.Settings{Brokers: brokers}, Topic: Topic, Group: "group",
		Keys:   keys.Settings{Names: KeyName, MAAEndpoint: "attestation.example", AKVEndpoint: "vault.example", SkrURL: sidecar},
		Access: access.Settings{Addr: FreeAddr(t)}, WebHistory: 1000, UnpackedBytes: 16 << 20, Config: health.Config{MetricsAddr: FreeAddr(t)},
	}
}

// Consume runs the consumer's code in this process, and waits until its page is served.
func Consume(t testing.TB, cfg consumer.Config) *Pod {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pod{T: t, Page: "http://" + cfg.Access.Addr, Metrics: "http://" + cfg.MetricsAddr, Log: new(LogBuffer)}
	done := make(chan error, 1)
	go func() {
		done <- consumer.Run(ctx, cfg, consumer.Build{Version: "test"}, slog.New(slog.NewJSONHandler(p.Log, nil)))
	}()
	p.Stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consumer ended with: %v", err)
		}
	})
	t.Cleanup(p.Stop)
	p.ready()
	return p
}

func (p *Pod) ready() {
	p.T.Helper()
	p.T.Cleanup(p.checkSecrets)
	p.Wait("the page is served", func() bool { return p.Get(p.Page+"/api/key") != nil })
}

// Get returns the body of a page, or nil if nothing answers with status 200.
func (p *Pod) Get(url string) []byte {
	resp, err := http.Get(url)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	return body
}

// Wait polls until the condition holds.
func (p *Pod) Wait(what string, holds func() bool) {
	p.T.Helper()
	if !poll(Timeout, 20*time.Millisecond, holds) {
		p.T.Fatalf("timed out waiting until %s\nrecords: %s\nkey: %s\nlog: %s", what, p.Get(p.Page+"/api/records"), p.Get(p.Page+"/api/key"), p.Log)
	}
}

// Records returns the records that the page shows, oldest first.
func (p *Pod) Records() []Record {
	p.T.Helper()
	var answer struct{ Records []Record }
	body := p.Get(p.Page + "/api/records?limit=1000")
	if body == nil {
		return nil
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.T.Fatal(err)
	}
	slices.Reverse(answer.Records)
	return answer.Records
}

// Newest returns the record that the page shows first; an empty one if it shows none, or does not answer now.
func (p *Pod) Newest() Record {
	p.T.Helper()
	records := p.Records()
	if len(records) == 0 {
		return Record{}
	}
	return records[len(records)-1]
}

// Count returns how many records the page shows in a state.
func (p *Pod) Count(state string) int { return states(p.Records())[state] }

func states(records []Record) map[string]int {
	counts := map[string]int{}
	for _, r := range records {
		counts[r.State]++
	}
	return counts
}

// WaitStates waits until the page shows exactly so many records in each state.
func (p *Pod) WaitStates(want map[string]int) []Record {
	p.T.Helper()
	var records []Record
	p.Wait(fmt.Sprintf("records are %v", want), func() bool {
		records = p.Records()
		return maps.Equal(states(records), want)
	})
	return records
}

// KeyState returns the state of the key as the page's API gives it.
func (p *Pod) KeyState() string {
	var key struct{ State string }
	if json.Unmarshal(p.Get(p.Page+"/api/key"), &key) != nil {
		return ""
	}
	return key.State
}
