package terminal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/messages"
	"kafka-e2ee/lab/scenario"
)

// demo takes every choice and does every attack, as soon as attacked is closed. The rest of a demo is not here.
type demo struct {
	console.Demo
	attacked chan struct{}
}

func (d *demo) Scenario() console.Scenario                { return console.Scenario{} }
func (d *demo) SetScenario(context.Context, string) error { return nil }
func (d *demo) SetData(_ context.Context, name string) (err error) {
	_, err = messages.CheckData(name)
	return err
}
func (d *demo) Data() string                            { return console.DataMsg }
func (d *demo) Format() string                          { return string(formats.RSA) }
func (d *demo) SetFormat(context.Context, string) error { return nil }
func (d *demo) Requires(string) []string                { return nil }
func (d *demo) Attacks() []console.AttackInfo           { return nil }
func (d *demo) Attack(ctx context.Context, _ string) (console.Observation, error) {
	select {
	case <-d.attacked:
	case <-ctx.Done():
	}
	return console.Observation{}, ctx.Err()
}

func (d *demo) Scenarios() (all []console.ScenarioInfo) {
	for _, s := range scenario.All() {
		all = append(all, console.ScenarioInfo{Name: s.Name, Summary: s.Summary})
	}
	return all
}

// screen is what the terminal says.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *screen) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// typeInto returns what reaches the producer and the terminal if that is typed.
func typeInto(t *testing.T, typed string) (sent, printed string) {
	t.Helper()
	d, out, to := &demo{attacked: make(chan struct{})}, new(screen), new(Lines)
	close(d.attacked)
	lines := to.Open()
	done := make(chan []byte, 1)
	go func() {
		text, err := io.ReadAll(lines)
		if err != nil {
			t.Error(err)
		}
		done <- text
	}()
	terminal := New(d, to, out)
	terminal.Read(t.Context(), strings.NewReader(typed))
	for terminal.attacking.Load() {
		time.Sleep(time.Millisecond)
	}
	to.Open() // ends the reader
	return string(<-done), out.text.String()
}

// Without this a line could be lost, cut or taken for a command, or a command could be encrypted and sent.
func TestTerminalTellsLinesFromCommands(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*maxCommand)
	for typed, want := range map[string]string{
		"":                           "",
		"a\n":                        "a\n",
		"a\n\nb":                     "a\n\nb\n", // an empty line is a message, too
		"//a\n":                      "/a\n",
		"///a\n":                     "//a\n",
		" /a\n":                      " /a\n",
		long + "\nb\n":               long + "\nb\n",
		"//" + long + "\nb\n":        "/" + long + "\nb\n",
		"/" + long + "\nb\n":         "b\n",
		"/" + long:                   "",
		"/unknown\nb\n":              "b\n",
		"/scenario unknown\nb\n":     "b\n",
		"/format unknown\r\nb\r\n":   "b\r\n",
		"/data unknown\n/help\n/\nb": "b\n",
	} {
		if got, printed := typeInto(t, typed); got != want {
			t.Errorf("%.20q: got %.40q, want %.40q; the terminal says %q", typed, got, want, printed)
		} else if strings.Contains(typed, "/unknown") && !strings.Contains(printed, "/unknown is not a command") {
			t.Errorf("%.20q: the terminal says %q", typed, printed)
		}
	}
}

// Without this the end of a long line would become a message of its own, of the next producer, and nobody would say that the
// beginning is lost.
func TestLineOfAReplacedProducer(t *testing.T) {
	t.Parallel()
	out, lines := new(screen), new(Lines)
	first := lines.Open()
	in, typing := io.Pipe()
	ended := make(chan struct{})
	go func() { defer close(ended); New(new(demo), lines, out).Read(t.Context(), in) }()
	long := strings.Repeat("x", maxCommand)
	if _, err := io.WriteString(typing, long); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, maxCommand)); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil { // as its producer does when it ends
		t.Fatal(err)
	}
	second := bufio.NewReader(lines.Open())
	go io.WriteString(typing, long+"tail\nnext\n") //nolint:errcheck // the read below fails
	if got, err := second.ReadString('\n'); err != nil || got != "next\n" {
		t.Errorf("the next producer gets %.20q, %v", got, err)
	}
	typing.Close()
	<-ended
	out.mu.Lock()
	defer out.mu.Unlock()
	if !strings.Contains(out.text.String(), errReplaced.Error()) {
		t.Errorf("the terminal says %q", &out.text)
	}
}

// Without this what the audience types after an attack would wait until the attack has ended.
func TestLinesPassAnAttack(t *testing.T) {
	t.Parallel()
	out, to := new(screen), new(Lines)
	lines := bufio.NewReader(to.Open())
	go New(new(demo), to, out).Read(t.Context(), strings.NewReader("/drop\n/replay\ntyped\n")) // the attack waits
	if got, err := lines.ReadString('\n'); err != nil || got != "typed\n" {
		t.Errorf("the producer gets %q, %v", got, err)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if said := out.text.String(); !strings.Contains(said, "disappear") || !strings.Contains(said, "/replay: another attack still runs") {
		t.Errorf("the terminal says %q", said)
	}
}

// Without this some line could crash the demo, or a command could be sent as a message.
func FuzzTerminal(f *testing.F) {
	f.Add("a\n//b\n/help\n/scenario x\n")
	f.Add("/" + strings.Repeat("x", maxCommand) + "\nb")
	f.Fuzz(func(t *testing.T, typed string) {
		var want strings.Builder
		for line := range strings.Lines(typed) {
			text, slash := strings.CutPrefix(line, "/")
			if !slash || strings.HasPrefix(text, "/") {
				want.WriteString(strings.TrimSuffix(text, "\n") + "\n")
			}
		}
		if got, _ := typeInto(t, typed); got != want.String() {
			t.Errorf("got %q, want %q", got, want.String())
		}
	})
}

// Without this a line from the console could become two messages, or be lost without a word.
func TestSendTakesOneLine(t *testing.T) {
	t.Parallel()
	var lines Lines
	first := lines.Open()
	for _, bad := range []string{"", "a\nb", "a\r"} {
		if err := lines.Send(t.Context(), bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lines.Send(ctx, "nobody reads"); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody reads: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lines.Send(t.Context(), "lost"); !errors.Is(err, errReplaced) {
		t.Errorf("the producer has ended: %v", err)
	}
}
