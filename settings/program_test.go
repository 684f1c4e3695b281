package settings_test

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

// Without this a mistyped flag could start a program with other settings than were meant, and -h could miss one.
func TestProgram(t *testing.T) {
	t.Parallel()
	program := settings.Program{
		Name: "demo", Version: "v1", Commit: "c1", Does: "does nothing.", ReadOn: "docs/demo.md",
		Settings: &struct {
			Rate int `envconfig:"RATE" default:"10" desc:"messages a second"`
		}{},
	}
	for _, test := range []struct {
		args  []string
		says  []string
		wrong string
	}{
		{nil, nil, ""},
		{[]string{"-x"}, nil, ""},
		{[]string{"-version"}, []string{"demo v1 (commit c1, go1."}, ""},
		{[]string{"-h"}, []string{"demo does nothing.\n", "  -x\t", "  RATE (default 10)\n    \tmessages a second\n", "Read on: docs/demo.md\n"}, ""},
		{[]string{"-y"}, nil, "-y (hint: demo -h)"},
		{[]string{"x", "hunter2"}, nil, "got 2, want none (hint: "},
		{[]string{"-version", "hunter2"}, nil, "got 1, want none (hint: "},
	} {
		var out bytes.Buffer
		flags := flag.NewFlagSet("demo", flag.ContinueOnError)
		flags.Bool("x", false, "a flag")
		err := program.Parse(flags, test.args, &out)
		switch {
		case test.wrong != "":
			if !errors.Is(err, settings.ErrInvalid) || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: got %v, want %q", test.args, err, test.wrong)
			}
		case errors.Is(err, flag.ErrHelp) != (test.says != nil), test.says == nil && err != nil:
			t.Errorf("%q: got %v", test.args, err)
		}
		for _, says := range test.says {
			if !strings.Contains(out.String(), says) {
				t.Errorf("%q: want %q in %q", test.args, says, out.String())
			}
		}
		if test.says == nil && out.Len() > 0 {
			t.Errorf("%q: printed %q", test.args, out.String())
		}
	}
}
