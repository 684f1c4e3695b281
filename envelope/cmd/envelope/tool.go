package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const help = `envelope seals, opens, converts and inspects records, one by one or in a stream, and makes keys.

Usage: envelope COMMAND [options] [FILE]
       envelope -version

  inspect    show what a record says about itself; needs no key, proves nothing
  open       -key FILE [-topic NAME] [-header FILE] [-trusted FILE] [-require-format FORMAT,…]
             [-require-sender verified|ID,…] [-allow-readers held[,ID,…]] [-stream]
  seal       -pubkey FILE -topic NAME [-partition N] [-format envelope|jwe|rsa] [-signing-key FILE]
  convert    [-header FILE]  a record of the format envelope to standard JWE text, or back
  keygen     -key FILE -pubkey FILE [-bits N], or for a sender: -signing NAME
  thumbprint print the id of each key in a PEM file

Each command reads one message or record from FILE or standard input and writes one
to standard output; notes go to standard error. -key and -pubkey may be given several
times. Text may end with one line break. A binary record may not, so read it with
kcat -C -c1 -D '' (open accepts both). -topic is the topic that the record was sealed
for; if it is a mirrored copy, that is the original topic. Without -topic, open uses
the topic that the record names, and says so.

A lean record opens only with the header of a full one, which stands at a lower offset of
its partition. -header takes any full record with that header; inspect prints the names.
With -stream, open reads many records, each after its length (kcat -C -e -D '' -f '%R%s'),
keeps the headers, and writes one line for each message.

With -require-format, open rejects records of other formats and all that are not
encrypted; with -require-sender, those that no sender in the file of -trusted signed,
or none with one of these ids; with -allow-readers, those that others can read, but for
the holders of the keys given with -key and of these ids. thumbprint prints ids.

Defaults: -partition 0, -format envelope, -bits 3072; nothing is required of a record.
Exit status: 0 done, 1 the record was refused, 2 wrong arguments or key files.
Read on: envelope/README.md, envelope/SPEC.md
`

// usageError is a mistake in the arguments or key files, not in the message.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func wrong(format string, values ...any) error { return usageError{fmt.Errorf(format, values...)} }

// maxInput is more than the length of the longest record, in any format.
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
	if name == "-version" || name == "--version" {
		_, err := fmt.Fprintln(t.out, versionLine())
		return err
	}
	command, known := commands[name]
	if !known {
		return wrong("unknown command %q (hint: envelope help)", name)
	}
	return command(args)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// parse parses the options and opens FILE, if one is given, as the input.
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

// record reads a message that must not be empty.
func (t *tool) record() ([]byte, error) {
	message, err := t.message()
	if err == nil && len(message) == 0 {
		return nil, wrong("the input is empty (hint: name a FILE, or pipe one record in; kcat -e prints nothing if a topic is empty)")
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

// readAll reads the files of a required option.
func (f *files) readAll(option string) ([][]byte, error) {
	if len(*f) == 0 {
		return nil, wrong("-%s is missing (hint: -%[1]s FILE, a PEM file such as keygen writes)", option)
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

// note writes a line to standard error.
func (t *tool) note(format string, values ...any) {
	fmt.Fprintf(t.diag, "envelope: "+format+"\n", values...) //nolint:errcheck // there is nowhere else to report it
}

func (t *tool) write(message []byte) error {
	if _, err := t.out.Write(message); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}
