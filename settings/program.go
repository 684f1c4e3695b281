package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// Program is what a program says of itself, with -version and with -h.
type Program struct {
	Name            string
	Version, Commit string
	Does            string // a sentence, after the name
	Settings        any    // a pointer to the struct that [Load] fills; nil: it has none
	ReadOn          string // files
}

// Parse parses the command line, which has no arguments but flags. After -h or -version, which it answers on out, the
// error is [flag.ErrHelp]. Any other one is an [ErrInvalid] with a hint.
func (p Program) Parse(flags *flag.FlagSet, args []string, out io.Writer) error {
	flags.SetOutput(io.Discard) // the caller reports the error
	version := flags.Bool("version", false, "print version, commit and Go version")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		p.help(flags, out)
		return err
	case err != nil:
		return Invalid(fmt.Errorf("%w (hint: %s -h)", err, p.Name))
	case flags.NArg() > 0: // a flag without its hyphen would otherwise start a second program
		return Invalid(fmt.Errorf("arguments: got %d, want none (hint: flags start with a hyphen, settings are environment variables; see %s -h)", flags.NArg(), p.Name))
	case *version:
		fmt.Fprintln(out, VersionLine(p.Name, p.Version, p.Commit)) //nolint:errcheck // nobody reads it
		return flag.ErrHelp
	}
	return nil
}

// VersionLine is what a program prints with -version. A commit that the build did not state is Go's own record of it.
func VersionLine(name, version, commit string) string {
	if info, ok := debug.ReadBuildInfo(); ok && commit == "unknown" {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
	}
	return fmt.Sprintf("%s %s (commit %s, %s)", name, version, commit, runtime.Version())
}

func (p Program) help(flags *flag.FlagSet, out io.Writer) {
	fmt.Fprintf(out, "%s %s\n\nUsage: %s [flags]\n\nFlags:\n", p.Name, p.Does, p.Name) //nolint:errcheck // nobody reads it
	flags.SetOutput(out)
	flags.PrintDefaults()
	if p.Settings != nil {
		fmt.Fprintf(out, "\nSettings, which are environment variables:\n%s", Help(p.Settings)) //nolint:errcheck // as above
	}
	fmt.Fprintf(out, "\nRead on: %s\n", p.ReadOn) //nolint:errcheck // as above
}

// Help returns what [Table] does, as text for a terminal.
func Help(cfg any) string {
	target, err := structOf(cfg)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, field := range fields(target) {
		fallback := ""
		if field.fallback != "" {
			fallback = " (default " + field.fallback + ")"
		}
		fmt.Fprintf(&b, "  %s%s\n    \t%s\n", field.name, fallback, field.meaning)
	}
	return b.String()
}
