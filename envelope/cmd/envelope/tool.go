package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const help = `Usage: envelope COMMAND [options] [FILE]

  inspect    show what a record says of itself; needs no key, proves nothing
  open       -key FILE [-topic NAME] [-trusted FILE]
  seal       -pubkey FILE -topic NAME [-partition N] [-format envelope|jwe|rsa] [-signing-key FILE]
  convert    a record of the format envelope to standard JWE text, or back
  keygen     -key FILE -pubkey FILE [-bits N], or for a sender: -signing NAME
  thumbprint print the id of each key in a PEM file

One message is read from FILE or standard input, and one is written to standard
output; what else there is to say goes to standard error. -key and -pubkey may be
given several times. A text may end with one line break; a record in binary may
not, so read it with kcat -C -c1 -D '' (open takes it either way). Without -topic,
open takes the topic that the record names, and says so.

Exit status: 0 done, 1 the record was refused, 2 wrong arguments or key files.
`

// usageError is a mistake in what the user gave, other than the message.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func wrong(format string, values ...any) error { return usageError{fmt.Errorf(format, values...)} }

// maxInput is more than the longest record has, in any format.
const maxInput = 32 << 20

type tool struct {
	in        io.Reader
	out, diag io.Writer
}

func (t *tool) run(args []string) error {
	if len(args) == 0 {
		return wrong("no command (hint: envelope help)")
	}
	name, args := args[0], args[1:]
	commands := map[string]func([]string) error{
		"inspect": t.inspect, "open": t.open, "seal": t.seal, "convert": t.convert, "keygen": t.keygen, "thumbprint": t.thumbprint,
	}
	if name == "help" || isHelp(name) || slices.ContainsFunc(args, isHelp) {
		_, err := io.WriteString(t.out, help)
		return err
	}
	command, known := commands[name]
	if !known {
		return wrong("unknown command %q (hint: envelope help)", name)
	}
	return command(args)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// parse reads the options and opens the message: at most one file, else
// standard input.
func (t *tool) parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return wrong("%s: %w (hint: envelope help)", flags.Name(), err)
	}
	switch flags.NArg() {
	case 0:
		return nil
	case 1:
		file, err := os.Open(flags.Arg(0))
		if err != nil {
			return wrong("%s: %w", flags.Name(), err)
		}
		t.in = file // open until the program ends
		return nil
	}
	return wrong("%s: got %d files, want at most 1", flags.Name(), flags.NArg())
}

func (t *tool) message() ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(t.in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	if len(message) > maxInput {
		return nil, fmt.Errorf("reading the message: got more than %d bytes", maxInput)
	}
	return message, nil
}

// record is message where there must be one.
func (t *tool) record() ([]byte, error) {
	message, err := t.message()
	if err == nil && len(message) == 0 {
		return nil, wrong("the input is empty (hint: name a FILE, or pipe one record in; kcat -e prints nothing where a topic is empty)")
	}
	return message, err
}

// files is an option that may be given several times.
type files []string

func (f *files) String() string { return strings.Join(*f, ",") }

func (f *files) Set(name string) error {
	*f = append(*f, name)
	return nil
}

// readAll reads the files of an option that must be there.
func (f *files) readAll(option string) ([][]byte, error) {
	if len(*f) == 0 {
		return nil, wrong("-%s is missing (hint: -%[1]s FILE, a PEM file such as keygen makes)", option)
	}
	texts := make([][]byte, len(*f))
	for i, name := range *f {
		text, err := os.ReadFile(name) //nolint:gosec // the user names it
		if err != nil {
			return nil, usageError{err}
		}
		texts[i] = text
	}
	return texts, nil
}

// warn tells what does not stop the work.
func (t *tool) warn(format string, values ...any) {
	fmt.Fprintf(t.diag, "envelope: "+format+"\n", values...) //nolint:errcheck // there is nobody else to tell
}

func (t *tool) write(message []byte) error {
	if _, err := t.out.Write(message); err != nil {
		return errors.Join(errors.New("writing the message"), err)
	}
	return nil
}
