// Package verify is the program verify: it checks that a page is served by the code that a key's release policy names, and
// then, if asked to, shows that page in a browser.
//
//	cfg, err := verify.Parse(os.Args[1:], version, os.Stdout)
//	err = verify.Run(ctx, cfg, os.Stdout)
//	os.Exit(verify.ExitStatus(err))
//
// The checks are those of [attested]. The program trusts nothing that the page says about whom to trust: that comes from
// the command line. It does not protect from programs on the same computer.
package verify

import (
	"context"
	"errors"
	"flag"
	"io"

	"kafka-e2ee/skrclient/attested"
)

// Run verifies the page and prints the result to out. With Config.Open it then serves the page on loopback until ctx ends.
// The error is nil if the page was verified.
func Run(ctx context.Context, cfg Config, out io.Writer) error {
	verifier, err := attested.New(cfg.Attested)
	if err != nil {
		return hint(err)
	}
	result, err := verifier.Verify(ctx, cfg.address())
	report := newReport(cfg, result, err)
	if cfg.JSON {
		return errors.Join(err, report.writeJSON(out))
	}
	if err := errors.Join(err, report.writeText(out)); err != nil || !cfg.Open {
		return err
	}
	return serve(ctx, cfg, verifier, result.Expires, out)
}

// The exit statuses.
const (
	Verified  = 0
	Refused   = 1 // or no attestation is offered; Run has printed the reason
	Unchecked = 2 // wrong usage, or the network
)

// ExitStatus returns the exit status for the error of [Parse] or [Run].
func ExitStatus(err error) int {
	switch {
	case isRefused(err):
		return Refused
	case err == nil || errors.Is(err, flag.ErrHelp):
		return Verified
	default:
		return Unchecked
	}
}

// isRefused reports whether a page was checked and must not be trusted.
func isRefused(err error) bool { return errors.As(err, new(*attested.RefusedError)) }
