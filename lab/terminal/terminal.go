// Package terminal reads what a person types while the demo runs. A line is a message, or a command to the demo, which the
// console can give as well.
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
)

// maxCommand bounds a command, in bytes.
const maxCommand = 4 << 10

// Terminal passes what a person types on.
type Terminal struct {
	demo  console.Demo
	lines *Lines
	out   io.Writer

	attacking atomic.Bool // an attack runs that was typed here
}

// New returns the terminal of a demo. Messages become lines, and out gets what the terminal says.
func New(demo console.Demo, lines *Lines, out io.Writer) *Terminal {
	return &Terminal{demo: demo, lines: lines, out: out}
}

// Read passes each line of in to the producer, of any length and unchanged, except for commands: they begin with
// a slash. Two slashes begin a message with one. It ends when in or ctx does, or after a failed read.
func (t *Terminal) Read(ctx context.Context, in io.Reader) {
	r := bufio.NewReaderSize(in, maxCommand)
	for ctx.Err() == nil {
		part, err := r.ReadSlice('\n')
		text, slash := strings.CutPrefix(string(part), "/")
		switch {
		case len(part) == 0:
		case !slash || strings.HasPrefix(text, "/"):
			err = t.passLine(ctx, r, []byte(text), err)
		case errors.Is(err, bufio.ErrBufferFull):
			err = skipLine(r)
			t.say("a command has at most %d bytes", maxCommand)
		default:
			t.command(ctx, strings.TrimSpace(text))
		}
		if err != nil {
			return
		}
	}
}

// passLine passes a line whose first part was read to the producer. err is that read's, and the result the last read's. If
// the producer is replaced meanwhile, the rest of the line is skipped: the next producer would take it for a message.
func (t *Terminal) passLine(ctx context.Context, r *bufio.Reader, part []byte, err error) error {
	t.lines.mu.Lock()
	defer t.lines.mu.Unlock()
	to := t.lines.producer()
	_, lost := to.Write(part)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = r.ReadSlice('\n')
		if lost == nil {
			_, lost = to.Write(part)
		}
	}
	if err != nil && lost == nil { // the last line has no newline
		_, lost = to.Write([]byte("\n"))
	}
	if lost != nil && ctx.Err() == nil {
		t.say("%v", errReplaced)
	}
	return err
}

func skipLine(r *bufio.Reader) error {
	for {
		if _, err := r.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// say writes a line to the terminal.
func (t *Terminal) say(format string, args ...any) {
	fmt.Fprintf(t.out, "  "+format+"\n", args...) //nolint:errcheck // a closed terminal is not our failure
}

const help = `
  /scenario NAME   restart the pods in a scenario: %s
  /format NAME     change the format of the records: rsa, envelope-unsigned, envelope, jwe
  /data NAME       change what the producer sends by itself: msg, payments
  //TEXT           send /TEXT
%s
`

// command carries out a command, which has no slash any more, and says what became of it.
func (t *Terminal) command(ctx context.Context, text string) {
	name, argument, _ := strings.Cut(text, " ")
	argument = strings.TrimSpace(argument)
	if attack, ok := attacks.Find(name); ok {
		t.attack(ctx, attack)
		return
	}
	var err error
	switch {
	case name == "help":
		t.help()
	case name == "scenario" && argument != "":
		if err = t.demo.SetScenario(ctx, argument); err == nil {
			now := t.demo.Scenario()
			t.say("%s: the confidential pod restarts: %s", now.Name, now.Summary)
		}
	case name == "format" && argument != "":
		err = t.changeFormat(ctx, argument)
	case name == "data" && argument != "":
		if err = t.demo.SetData(ctx, argument); err == nil {
			t.say("the producer sends %s from now on", t.demo.Data())
		}
	default:
		t.say("/%s is not a command; // sends a line that begins with a slash", name)
		t.help()
	}
	if err != nil && ctx.Err() == nil {
		t.say("/%s: %v", name, err)
	}
}

func (t *Terminal) help() {
	var names []string
	for _, s := range t.demo.Scenarios() {
		names = append(names, s.Name)
	}
	var attacks strings.Builder
	for _, a := range t.demo.Attacks() {
		fmt.Fprintf(&attacks, "  /%-15s %s\n", a.Name, a.Tries)
	}
	fmt.Fprintf(t.out, help, strings.Join(names, ", "), attacks.String()) //nolint:errcheck // a closed terminal is not our failure
}

// changeFormat changes the format, and says before and after what that means for the pods.
func (t *Terminal) changeFormat(ctx context.Context, name string) error {
	if _, err := formats.Find(name); err != nil {
		return err
	}
	policy := policyText(t.demo.Requires(t.demo.Format()), t.demo.Requires(name))
	t.say("both pods restart, and then %s", policy)
	if err := t.demo.SetFormat(ctx, name); err != nil {
		return err
	}
	t.say("records have the format %s from now on; the pods read all of them again, and %s", formats.Format(name).Label(), policy)
	return nil
}
