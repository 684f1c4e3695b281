package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/console"
)

// maxCommand bounds a command, in bytes.
const maxCommand = 4 << 10

// readTerminal passes each line of in to the producer, of any length and unchanged, except for commands: they begin with
// a slash. Two slashes begin a message with one. It ends when in does, or after a failed read.
func (d *demo) readTerminal(ctx context.Context, in io.Reader) {
	if in == nil {
		return
	}
	r := bufio.NewReaderSize(in, maxCommand)
	for ctx.Err() == nil {
		part, err := r.ReadSlice('\n')
		text, slash := strings.CutPrefix(string(part), "/")
		switch {
		case len(part) == 0:
		case !slash || strings.HasPrefix(text, "/"):
			err = d.passLine(r, []byte(text), err)
		case errors.Is(err, bufio.ErrBufferFull):
			err = skipLine(r)
			d.say("a command has at most %d bytes", maxCommand)
		default:
			d.command(ctx, strings.TrimSpace(text))
		}
		if err != nil {
			return
		}
	}
}

// passLine passes a line whose first part was read to the producer. err is that read's, and the result the last read's. If
// the producer is replaced meanwhile, the rest of the line is skipped: the next producer would take it for a message.
func (d *demo) passLine(r *bufio.Reader, part []byte, err error) error {
	d.lines.mu.Lock()
	defer d.lines.mu.Unlock()
	to := d.lines.producer()
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
	if lost != nil && d.ctx.Err() == nil {
		d.say("%v", errReplaced)
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
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "  "+format+"\n", args...) //nolint:errcheck // a closed terminal is not our failure
}

const help = `
  /scenario NAME   restart the pods in a scenario: %s
  /format NAME     change the format of the records: rsa, envelope-unsigned, envelope, jwe
  /data NAME       change what the producer sends by itself: msg, payments
  //TEXT           send /TEXT
%s
`

// command carries out a command, which has no slash any more, and says what became of it.
func (d *demo) command(ctx context.Context, text string) {
	name, argument, _ := strings.Cut(text, " ")
	argument = strings.TrimSpace(argument)
	if attack, ok := attacks.Find(name); ok {
		d.attackFromTerminal(ctx, attack)
		return
	}
	var err error
	switch {
	case name == "help":
		d.help()
	case name == "scenario" && argument != "":
		if err = d.SetScenario(ctx, argument); err == nil {
			now := d.Scenario()
			d.say("%s: the confidential pod restarts: %s", now.Name, now.Summary)
		}
	case name == "format" && argument != "":
		err = d.formatFromTerminal(ctx, argument)
	case name == "data" && argument != "":
		if err = d.SetData(ctx, argument); err == nil {
			d.say("the producer sends %s from now on", d.Data())
		}
	default:
		d.say("/%s is not a command; // sends a line that begins with a slash", name)
		d.help()
	}
	if err != nil && ctx.Err() == nil {
		d.say("/%s: %v", name, err)
	}
}

func (d *demo) help() {
	var names []string
	for _, s := range d.Scenarios() {
		names = append(names, s.Name)
	}
	var attacks strings.Builder
	for _, a := range d.Attacks() {
		fmt.Fprintf(&attacks, "  /%-15s %s\n", a.Name, a.Tries)
	}
	fmt.Fprintf(d.out, help, strings.Join(names, ", "), attacks.String()) //nolint:errcheck // a closed terminal is not our failure
}

// Format returns the format of the records.
func (d *demo) Format() string { return string(d.choice().format) }

// SetFormat changes the format of the records, and restarts both pods: what they require depends on it.
func (d *demo) SetFormat(ctx context.Context, name string) error {
	chosen, err := checkFormat(name)
	if err != nil {
		return err
	}
	return d.change(ctx, false, func(next *choice) { next.format = chosen })
}

// formatFromTerminal changes the format, and says before and after what that means for the pods.
func (d *demo) formatFromTerminal(ctx context.Context, name string) error {
	if _, err := checkFormat(name); err != nil {
		return err
	}
	policy := policyText(d.Requires(d.Format()), d.Requires(name))
	d.say("both pods restart, and then %s", policy)
	if err := d.SetFormat(ctx, name); err != nil {
		return err
	}
	d.say("records have the format %s from now on; the pods read all of them again, and %s", name, policy)
	return nil
}

// Switched returns the last change of the format.
func (d *demo) Switched() (console.Switch, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.switched == nil {
		return console.Switch{}, false
	}
	return *d.switched, true
}

// Data returns what the producer sends by itself.
func (d *demo) Data() string { return d.choice().data }

// SetData changes what the producer sends by itself.
func (d *demo) SetData(ctx context.Context, name string) error {
	data, err := checkData(name)
	if err != nil {
		return err
	}
	return d.change(ctx, false, func(next *choice) { next.data = data })
}
