package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/broker"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/lab/scenario"
	"kafka-e2ee/lab/terminal"
)

// screen is what a demo prints.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *screen) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// nextPort returns the first of twenty ports that are below those that the system gives to connections, and above those that
// demos and the tests of other packages choose. Another run of these tests may use them.
func nextPort() int { return 30_000 + int(portsUsed.Add(1)+int64(os.Getpid()))%130*20 }

var portsUsed atomic.Int64

// startDemo starts a demo, whose events happen when the test says so.
func startDemo(t *testing.T, cfg Config) (d *demo, event chan<- time.Time) {
	t.Helper()
	events := make(chan time.Time)
	return startDemoAfter(t, cfg, func(time.Duration) <-chan time.Time { return events }), events
}

// startDemoAfter starts a demo, whose events happen after a time.
func startDemoAfter(t *testing.T, cfg Config, after func(time.Duration) <-chan time.Time) (d *demo) {
	t.Helper()
	cfg.After = after
	for d == nil {
		cfg.Port = nextPort()
		ctx, stop := context.WithCancelCause(t.Context()) // close stops it
		var err error
		if d, err = start(ctx, stop, cfg, new(screen)); err != nil && !strings.Contains(err.Error(), "cannot be used") {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if cause := context.Cause(d.ctx); !errors.Is(cause, context.Canceled) { // t.Context has ended by now, and the demo with it
			t.Errorf("the demo ended early: %v", cause)
		}
		d.close()
		if err := os.Remove(d.logFile.Name()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// stepNamed returns a step of the newest release.
func stepNamed(d *demo, name string) console.Step {
	for _, step := range d.Timeline() {
		if step.Name == name {
			return step
		}
	}
	return console.Step{}
}

// Without this the console would tell another story than the one that happens.
func TestConsoleIsToldWhatHappens(t *testing.T) {
	d, event := startDemo(t, Config{Format: string(formats.Envelope)})
	eventually(t, "a record has opened", func() bool { return !stepNamed(d, console.StepOpen).At.IsZero() })
	var last time.Time
	for _, step := range d.Timeline() {
		if step.Failed || step.At.Before(last) {
			t.Errorf("after %v: %+v", last, step)
		}
		last = step.At
	}
	eventually(t, "the pod says which key it holds", func() bool { return len(d.Keys()) == 1 })
	if next, planned := d.NextAttempt(); planned {
		t.Errorf("the key is there, and asked for again at %v", next)
	}

	if err := d.Send(t.Context(), "typed here"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the line is stored", func() bool { _, ok := d.Typed(); return ok })
	typed, _ := d.Typed()
	if text, ok := d.Sent(typed.Partition, typed.Offset); !ok || text != "typed here" || typed.Text != text {
		t.Errorf("the producer sent %q, typed was %+v", text, typed)
	}
	if _, ok := d.Sent(typed.Partition, typed.Offset+1000); ok {
		t.Error("something was sent for a record that is not there")
	}
	if err := d.Send(t.Context(), strings.Repeat("x", d.Limit()+1)); err == nil {
		t.Error("a line over the limit is taken")
	}

	if err := d.SetScenario(t.Context(), "tampered"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the vault has refused", func() bool { return stepNamed(d, console.StepPolicy).Failed })
	eventually(t, "the pod says why", func() bool { return strings.Contains(stepNamed(d, console.StepPolicy).Reason, "refused") })
	if step := stepNamed(d, console.StepPolicy); step.Expected == "" || step.Measured == "" || step.Expected == step.Measured || step.Diff != "+ allow_exec := true" {
		t.Errorf("the refusal compares %+v", step)
	}
	if keys := d.Keys(); len(keys) != 0 {
		t.Errorf("a pod that got no key holds %q", keys)
	}
	if !stepNamed(d, console.StepKey).At.IsZero() || stepNamed(d, console.StepToken).At.IsZero() {
		t.Errorf("the steps are %+v", d.Timeline())
	}
	if _, err := d.Attack(t.Context(), "tamper"); err == nil {
		t.Error("an attack on a pod without a key was judged: the pod refuses every record")
	}

	if err := d.SetScenario(t.Context(), "no-role"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the vault has refused", func() bool { return stepNamed(d, console.StepVault).Measured == "Key Vault Crypto User" })
	played := d.Scenario()
	if played.Name != "no-role" || len(played.Events) != 1 || played.Events[0].Done || !played.Events[0].At.Equal(played.Began.Add(20*time.Second)) {
		t.Errorf("is played: %+v", played)
	}
	eventually(t, "an attempt is planned, not after the event", func() bool {
		next, planned := d.NextAttempt()
		return planned && (!next.After(played.Events[0].At) || time.Now().After(played.Events[0].At)) // a slow machine misses it
	})
	event <- time.Now()
	eventually(t, "a record has opened", func() bool { return !stepNamed(d, console.StepOpen).At.IsZero() })
	done := d.Scenario().Events[0]
	if took := stepNamed(d, console.StepOpen).At.Sub(done.At); !done.Done || took < 0 {
		t.Errorf("the event %+v, a record opened %s later", done, took)
	} else {
		t.Logf("from the event to the first open record: %s", took)
	}

	if _, err := d.Attack(t.Context(), "replay"); err != nil {
		t.Fatal(err)
	}
	if got := d.Scoreboard()["replay"]; len(got) != 1 || got["envelope"].Outcome == "" {
		t.Errorf("the scoreboard has %v", got)
	}
}

// Without this the console would show, beside a record of a recreated topic, what was in another record at its position, and
// mark it as typed.
func TestRewindForgetsWhatWasSent(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	eventually(t, "a record has opened", func() bool { return !stepNamed(d, console.StepOpen).At.IsZero() })
	if err := d.Send(t.Context(), "typed before"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the line is stored, and each partition has records", func() bool {
		_, typed := d.Typed()
		for partition := range int32(broker.Partitions) {
			_, sent := d.Sent(partition, 1)
			typed = typed && sent
		}
		return typed
	})
	replayed, err := d.Attack(t.Context(), "replay")
	if err != nil {
		t.Fatal(err)
	}
	seen, err := d.Attack(t.Context(), "rewind")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := d.AttackedAt(replayed.Records[0]); ok && o.Attack == "replay" {
		t.Error("a record of the recreated topic is said to be a replay of the former one")
	}
	for _, at := range seen.Records {
		if text, ok := d.Sent(at.Partition, at.Offset); ok {
			t.Errorf("%q is said to be in a record of the attacker, %+v", text, at)
		}
	}
	if typed, ok := d.Typed(); ok {
		t.Errorf("a record that is gone is still the newest typed one: %+v", typed)
	}
	eventually(t, "the producer's next message is known", func() bool {
		for partition := range int32(broker.Partitions) {
			for offset := range int64(1000) {
				if _, ok := d.Sent(partition, offset); ok {
					return true
				}
			}
		}
		return false
	})
}

// Without this the scoreboard would credit the format with what the signature and the policy do.
func TestFormatsAreAttackedApart(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.Envelope)})
	if last, ok := d.Switched(); ok {
		t.Errorf("the first format counts as a switch: %+v", last)
	}
	forged := make(map[formats.Format]console.Observation)
	for _, chosen := range []formats.Format{formats.Envelope, formats.Unsigned} {
		if err := d.SetFormat(t.Context(), string(chosen)); err != nil {
			t.Fatal(err)
		}
		forged[chosen] = attack(t, d, "forge")
	}
	for chosen, want := range map[formats.Format]string{formats.Envelope: "refused", formats.Unsigned: "not_noticed"} {
		if got := d.Scoreboard()["forge"][string(chosen)].Outcome; got != want {
			t.Errorf("%s: %s, want %s", chosen, got, want)
		}
	}
	if last, ok := d.Switched(); !ok || last.From != string(formats.Envelope) || last.At.Before(d.Scenario().Began) {
		t.Errorf("the switch is %+v", last)
	}
	at := forged[formats.Envelope].Records[0]
	eventually(t, "the pod without a policy opens what the strict one refused", func() bool {
		newest, err := d.pod.Newest(t.Context(), podapi.MaxRecords, "decrypted")
		return err == nil && slices.ContainsFunc(newest.Records, func(r podapi.Record) bool { return r.Partition == at.Partition && r.Offset == at.Offset })
	})
	if o, ok := d.AttackedAt(at); !ok || o.Outcome != "refused" || o.Format != string(formats.Envelope) {
		t.Errorf("the outcome of the forgery in the strict pod is now %+v", o)
	}
}

func awaitKey(t *testing.T, d *demo) {
	t.Helper()
	eventually(t, "the key is released", func() bool {
		pod, err := d.pod.Key(t.Context())
		return err == nil && pod.State == podReleased
	})
}

// attack does an attack as soon as the pod has its key.
func attack(t *testing.T, d *demo, name string) console.Observation {
	t.Helper()
	awaitKey(t, d)
	o, err := d.Attack(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// attackTyped does an attack from the terminal, and returns what that says of it, too.
func attackTyped(t *testing.T, d *demo, name string) (o console.Observation, said string) {
	t.Helper()
	awaitKey(t, d)
	printed := new(screen)
	terminal.New(d, &d.lines, printed).Read(t.Context(), strings.NewReader("/"+name+"\n"))
	eventually(t, "the terminal says what became of the attack", func() bool {
		printed.mu.Lock()
		defer printed.mu.Unlock()
		tries, rest, _ := strings.Cut(printed.text.String(), "\n")
		said = rest
		return strings.HasPrefix(tries, "  as Kafka's operator: ") && strings.HasSuffix(rest, "\n")
	})
	attacked, _ := d.Attacked()
	if attacked.Err != nil {
		t.Fatal(attacked.Err)
	}
	return attacked.Seen, said
}

// Without this the console would call an attack refused by which a message got out, or would not say which message
// nobody gets.
func TestAttacksSayWhatIsLost(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.Envelope)})
	o, said := attackTyped(t, d, "reader")
	for _, r := range o.Read {
		if sent, ok := d.Sent(r.Partition, r.Offset); !ok || r.Text != sent {
			t.Errorf("the operator has read %q, the producer wrote %q", r.Text, sent)
		}
	}
	if len(o.Read) == 0 || !strings.HasPrefix(said, "  READ BY KAFKA'S OPERATOR, REFUSED (envelope, signed): ") || strings.Contains(said, "Azure") {
		t.Errorf("%+v, the terminal says %q", o, said)
	}
	o, said = attackTyped(t, d, "drop")
	if len(o.Withheld) != 1 || !strings.HasPrefix(o.Withheld[0].Text, "Msg ") || !slices.Equal(o.Noticed, []console.Position{o.Withheld[0].Next}) {
		t.Fatalf("withheld: %+v", o)
	}
	w := o.Withheld[0]
	if want := fmt.Sprintf("record %d/%d is missing, before %d/%d", w.Partition, w.Offset, w.Next.Partition, w.Next.Offset); !strings.HasSuffix(said, want+"\n") {
		t.Errorf("the terminal says %q, want %q at the end", said, want)
	}
}

// Without this the console would say that the producer never wrote the message that Kafka's operator has opened and encrypted
// again, or say so of a message of the operator's own.
func TestResealedMessageIsTheProducers(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	o := attack(t, d, "reader")
	if len(o.Read) == 0 {
		t.Fatalf("the operator has read nothing: %+v", o)
	}
	for _, r := range o.Read {
		if !r.Resealed || !strings.HasPrefix(r.Text, "Msg ") {
			t.Errorf("of a message that the producer encrypted the demo says %+v", r)
		}
	}
	forged := d.observation(attacks.Observation{Read: []attacks.Reading{{From: attacks.Position{Offset: 1 << 40}, Start: []byte("the operator's own")}}})
	if forged.Read[0].Resealed {
		t.Error("a message that the producer did not encrypt is taken for its own")
	}
}

// Without this a presenter at the terminal would not notice that another format makes the pods accept what they refused.
func TestTerminalSaysWhatPodsRequire(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.Envelope)})
	printed := new(screen)
	terminal.New(d, &d.lines, printed).Read(t.Context(), strings.NewReader("/format rsa\n/format envelope\n"))
	const lifted = "require nothing of a record, and no longer the format envelope, a trusted signature, no other reader, a fresh data key: what they refused before may open"
	const added = "require the format envelope, a trusted signature, no other reader, a fresh data key: what they showed before may be refused"
	for _, want := range []string{
		"both pods restart, and then " + lifted, "records have the format rsa from now on; the pods read all of them again, and " + lifted,
		"both pods restart, and then " + added, "records have the format envelope, signed from now on; the pods read all of them again, and " + added,
	} {
		if said := printed.text.String(); !strings.Contains(said, want) {
			t.Errorf("the terminal does not say %q:\n%s", want, said)
		}
	}
}

// Without this the console would say that pods require what they do not, or hide that they do not any more.
func TestRequires(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	for _, chosen := range []formats.Format{formats.RSA, formats.Unsigned, formats.Envelope, formats.JWE} {
		pod, requires := d.podConfig(chosen), d.Requires(string(chosen))
		for code, required := range map[string]bool{
			console.RequireFormat: pod.RequireFormat != "", console.RequireSender: pod.RequireSender != "",
			console.RequireReader: pod.AllowedReaders != "", console.RequireFresh: pod.RequireFresh,
		} {
			if slices.Contains(requires, code) != required {
				t.Errorf("%s: the demo says %v, the pod requires %s: %v", chosen, requires, code, required)
			}
		}
	}
}

// Without this an obstacle that a scenario put in the way could stay, and the presenter would see another one's fault.
func TestRestartTakesFaultsBack(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA), Scenario: "throttled"})
	for _, played := range d.Scenarios() {
		if played.Name == "rotate" { // makes five keys
			continue
		}
		if err := d.SetScenario(t.Context(), played.Name); err != nil {
			t.Fatal(err)
		}
		if err := d.SetScenario(t.Context(), scenario.Good); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the key is released after "+played.Name, func() bool {
			pod, err := d.pod.Key(t.Context())
			return err == nil && pod.State == podReleased
		})
	}
	if err := d.SetScenario(t.Context(), "unknown"); err == nil || d.Scenario().Name != scenario.Good {
		t.Errorf("an unknown scenario: %v, and %s is played", err, d.Scenario().Name)
	}
}

// Without this a click while the demo ends could start pods that nobody ends, on a cloud that is being closed.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	if err := d.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.stop(nil)
	waits := make(chan error)
	go func() { waits <- d.SetScenario(context.Background(), scenario.Good) }() // as the console does: no request's end stops it
	if err := <-waits; !errors.Is(err, errEnded) {
		t.Errorf("a change that waited: %v", err)
	}
	d.unlock()
	for range 20 { // a free lock and the end are there at once
		if err := d.SetScenario(context.Background(), scenario.Good); !errors.Is(err, errEnded) {
			t.Errorf("a change after the end: %v", err)
		}
	}
	if _, err := d.Attack(context.Background(), "drop"); !errors.Is(err, errEnded) {
		t.Errorf("an attack after the end: %v", err)
	}
}

// Without this the new pods would name too few keys, and the demo would end at the last rotation, if the key is rotated
// while the scenario begins once more.
func TestRotationsWhileTheScenarioBeginsAgain(t *testing.T) {
	d, event := startDemo(t, Config{Format: string(formats.RSA), Scenario: "rotate"})
	ended := make(chan struct{})
	var events sync.WaitGroup
	defer events.Wait()
	defer close(ended)
	events.Go(func() {
		for {
			select {
			case event <- time.Now():
			case <-ended:
				return
			}
		}
	})
	if err := d.SetScenario(t.Context(), "rotate"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every rotation has happened", func() bool {
		for _, event := range d.Scenario().Events {
			if !event.Done {
				return d.ctx.Err() != nil
			}
		}
		return true
	})
	if err := context.Cause(d.ctx); err != nil {
		t.Error(err)
	}
}

// Without this the pods' pages would offer commands that fail in the lab: without its port and root, or to ask a vault that
// nobody can reach.
func TestPodsOfferTheCommandThatWorksHere(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	page := func(addr string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/proof", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return ""
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return ""
		}
		return string(text)
	}
	a := d.Addresses()
	for addr, offers := range map[string]bool{a.Confidential: true, a.Ordinary: false} {
		eventually(t, addr+" is served", func() bool {
			text := page(addr)
			if text != "" && (strings.Contains(text, a.Verify) != offers || strings.Contains(text, "vault.lab.example")) {
				t.Errorf("%s offers %s", addr, text)
			}
			return text != ""
		})
	}
}

// Without this somebody else in the network could change the demo, or read its plaintext.
func TestEverythingListensOnLoopback(t *testing.T) {
	d, _ := startDemo(t, Config{Format: string(formats.RSA)})
	a := d.Addresses()
	served := []string{a.Console, a.Confidential, a.Ordinary, a.Attested, a.Broker}
	for _, m := range a.Metrics {
		served = append(served, m.Address)
	}
	for _, addr := range append(slices.Clone(served), d.env.Cloud.Addr(), strings.TrimPrefix(d.env.Sidecar.URL(), "http://")) {
		eventually(t, addr+" is served", func() bool {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				return false
			}
			defer conn.Close()
			if to, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !to.IP.IsLoopback() {
				t.Errorf("%s is %s", addr, conn.RemoteAddr())
			}
			return true
		})
	}
	others, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range others {
		network, ok := other.(*net.IPNet)
		if !ok || network.IP.IsLoopback() || network.IP.To4() == nil {
			continue
		}
		for _, addr := range served {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			if conn, err := net.DialTimeout("tcp", net.JoinHostPort(network.IP.String(), port), 2*time.Second); err == nil {
				conn.Close()
				t.Errorf("%s answers at %s, too", addr, network.IP)
			}
		}
	}
}
