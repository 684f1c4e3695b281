package console

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fakeDemo is a demo for tests of what the page shows. Its broker is kfake; its pods answer what the test lets them say.
type fakeDemo struct {
	t         testing.TB
	addresses Addresses
	client    *kgo.Client

	mu       sync.Mutex
	sent     map[Position]string
	wrote    map[[sha256.Size]byte]Written
	typed    *Typed
	data     string
	scenario string
	format   string
	timeline []Step
	released time.Time
	again    time.Time
	keys     []string
	began    time.Time // of the scenario
	events   []Event
	board    map[string]map[string]Observation
	seen     []Observation // whose records are in the topic
	switched *Switch
	attack   func(ctx context.Context, name string) (Observation, error)
	limit    int
	attacked Attacked

	confidential, ordinary *fakePod
}

// fakePod answers as the pods' API does.
type fakePod struct {
	mu      sync.Mutex
	feed    string
	records []map[string]any
}

func (p *fakePod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	after, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("after"), "0"))
	if err != nil {
		http.Error(w, "after", http.StatusBadRequest)
		return
	}
	newest := slices.Clone(p.records[min(after, len(p.records)):]) // their revisions count them
	slices.Reverse(newest)
	if err := json.NewEncoder(w).Encode(map[string]any{"feed": p.feed, "records": append([]map[string]any{}, newest...), "next": len(p.records)}); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// shows lets the pod show a record in a state.
func (p *fakePod) shows(r *kgo.Record, state, value string, more map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	record := map[string]any{
		"rev": len(p.records) + 1, "partition": r.Partition, "offset": r.Offset, "timestamp_ms": r.Timestamp.UnixMilli(), "state": state,
		"value": value, "encoding": "utf-8", "sender": map[string]string{"state": "unverified"}, "flags": []string{},
	}
	for k, v := range more {
		record[k] = v
	}
	p.records = append(p.records, record)
}

func newFakeDemo(t testing.TB) *fakeDemo {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "topic"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DefaultProduceTopic("topic"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	d := &fakeDemo{t: t, client: client, sent: make(map[Position]string), wrote: make(map[[sha256.Size]byte]Written), data: DataMsg, scenario: "good", format: "rsa", limit: 318, confidential: &fakePod{feed: "a"}, ordinary: &fakePod{feed: "b"}}
	pod := func(p *fakePod) string {
		server := httptest.NewServer(p)
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	d.addresses = Addresses{Console: "localhost:3335", Confidential: pod(d.confidential), Ordinary: pod(d.ordinary), Broker: broker.ListenAddrs()[0], Topic: "topic", Verify: "go run ./cmd/verify -policy /tmp/kafka-e2ee-lab-1234567/release-policy.json -ca /tmp/kafka-e2ee-lab-1234567/cloud-ca.pem -key /tmp/kafka-e2ee-lab-1234567/key.pem https://localhost:3343", Folder: "/tmp/kafka-e2ee-lab-1234567"}
	d.addresses.Inside = Inside{Console: d.addresses.Console, Confidential: d.addresses.Confidential, Ordinary: d.addresses.Ordinary, Broker: d.addresses.Broker}
	return d
}

// write stores a record, as the producer or anybody else would.
func (d *fakeDemo) write(partition int32, value []byte) *kgo.Record {
	d.t.Helper()
	r := &kgo.Record{Partition: partition, Value: value, Timestamp: time.Now().Truncate(time.Millisecond)}
	if err := d.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		d.t.Fatal(err)
	}
	return r
}

// ciphertext returns what a record of the format rsa looks like.
func ciphertext(n int) []byte {
	b := make([]byte, 384)
	for i := range b {
		b[i] = byte((i + n) * (i + 7*n) * 31 >> 2)
	}
	return []byte(base64.StdEncoding.EncodeToString(b))
}

// seals writes a record of the producer, which the confidential pod reads.
func (d *fakeDemo) seals(text string) *kgo.Record {
	d.t.Helper()
	d.mu.Lock()
	n := len(d.sent)
	d.mu.Unlock()
	r := d.write(0, ciphertext(n))
	d.mu.Lock()
	d.sent[Position{r.Partition, r.Offset}] = text
	d.wrote[sha256.Sum256(r.Value)] = Written{Position: Position{r.Partition, r.Offset}, Text: text}
	d.mu.Unlock()
	d.confidential.shows(r, "decrypted", text, nil)
	d.ordinary.shows(r, "no_key", string(r.Value), nil)
	return r
}

func (d *fakeDemo) Addresses() Addresses                           { return d.addresses }
func (d *fakeDemo) Format() string                                 { return d.format }
func (d *fakeDemo) SetFormat(_ context.Context, name string) error { d.format = name; return nil }
func (d *fakeDemo) Limit() int                                     { return d.limit }

func (d *fakeDemo) Send(_ context.Context, line string) error {
	if len(line) > d.limit {
		return errors.New("the line is too long")
	}
	r := d.seals(line)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.typed = &Typed{Position{r.Partition, r.Offset}, line, time.Now()}
	return nil
}

func (d *fakeDemo) Typed() (Typed, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.typed == nil {
		return Typed{}, false
	}
	return *d.typed, true
}

func (d *fakeDemo) Sent(partition int32, offset int64) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, ok := d.sent[Position{partition, offset}]
	return text, ok
}

func (d *fakeDemo) Wrote(value [sha256.Size]byte) (Written, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	message, ok := d.wrote[value]
	return message, ok
}

func (d *fakeDemo) Data() string                                  { return d.data }
func (d *fakeDemo) SetData(_ context.Context, name string) error  { d.data = name; return nil }
func (d *fakeDemo) SetScenario(_ context.Context, n string) error { d.scenario = n; return nil }
func (d *fakeDemo) NextAttempt() (time.Time, bool) {
	return time.Now().Add(8 * time.Second), d.scenario != "good"
}
func (d *fakeDemo) Keys() []string   { return d.keys }
func (d *fakeDemo) Timeline() []Step { return d.timeline }
func (d *fakeDemo) Released() (since, again time.Time, ok bool) {
	return d.released, d.again, !d.released.IsZero()
}

func (d *fakeDemo) Scenarios() []ScenarioInfo {
	var all []ScenarioInfo
	for _, name := range []string{"good", "tampered", "debug", "no-role", "late", "rotate", "throttled", "impostor", "ordinary"} {
		all = append(all, ScenarioInfo{Name: name, Summary: "summary of " + name})
	}
	return all
}

func (d *fakeDemo) Scenario() Scenario {
	return Scenario{ScenarioInfo: ScenarioInfo{Name: d.scenario}, Began: d.began, Events: d.events}
}

func (d *fakeDemo) Attacks() []AttackInfo {
	var all []AttackInfo
	for _, name := range []string{"tamper", "truncate", "replay", "drop", "reorder", "move", "copy", "forge", "plain", "reader", "rewind"} {
		all = append(all, AttackInfo{name, "Do " + name + "."})
	}
	return all
}

func (d *fakeDemo) Attack(ctx context.Context, name string) (Observation, error) {
	note := func(a Attacked) {
		d.mu.Lock()
		defer d.mu.Unlock()
		a.Attack = AttackInfo{name, "Do " + name + "."}
		d.attacked = a
	}
	note(Attacked{Running: true})
	seen, err := d.attack(ctx, name)
	note(Attacked{Ended: time.Now(), Seen: seen, Err: err})
	return seen, err
}

func (d *fakeDemo) Attacked() (Attacked, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attacked, d.attacked.Attack.Name != ""
}

// attacks reports whether an attack of that name runs.
func (d *fakeDemo) attacks(name string) bool {
	a, _ := d.Attacked()
	return a.Running && a.Attack.Name == name
}

func (d *fakeDemo) Scoreboard() map[string]map[string]Observation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.board
}

func (d *fakeDemo) AttackedAt(at Position) (Observation, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range slices.Backward(d.seen) {
		if slices.Contains(o.Records, at) || slices.ContainsFunc(o.Withheld, func(w Withheld) bool { return w.Position == at }) {
			return o, true
		}
	}
	return Observation{}, false
}

// Requires is what the lab's pods require.
func (d *fakeDemo) Requires(format string) []string {
	if format != "envelope" {
		return nil
	}
	return []string{RequireFormat, RequireSender, RequireReader, RequireFresh}
}

func (d *fakeDemo) Switched() (Switch, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.switched == nil {
		return Switch{}, false
	}
	return *d.switched, true
}
