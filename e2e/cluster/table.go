package cluster

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// result is what a check found.
type result string

const (
	passed      result = "ok"
	failed      result = "FAILED"
	notEnforced result = "not enforced" // by this cluster, as its maker chose
	notReached  result = "not reached"
)

// unenforcedError says that the cluster does not enforce a rule. It is no failure of the manifests.
type unenforcedError struct{ error }

func resultOf(err error) result {
	switch {
	case err == nil:
		return passed
	case errors.As(err, new(unenforcedError)):
		return notEnforced
	default:
		return failed
	}
}

// table prints a row as soon as its check has ended.
type table struct {
	out    io.Writer
	counts map[result]int
}

func (t *table) start() {
	t.counts = map[result]int{}
	fmt.Fprintf(t.out, "\n%-45s %-13s %6s  %s\n", "check", "result", "time", "what to know or do") //nolint:errcheck // a closed terminal is not our failure
}

func (t *table) add(name string, r result, took time.Duration, note string) {
	t.counts[r]++
	seconds := ""
	if r != notReached {
		seconds = fmt.Sprintf("%.1f s", took.Seconds())
	}
	fmt.Fprintf(t.out, "%-45s %-13s %6s  %s\n", name, r, seconds, note) //nolint:errcheck // as above
}

// end prints the sum, and returns an [ErrFailed] if a check failed or was not reached.
func (t *table) end() error {
	fmt.Fprintf(t.out, "\n%d ok, %d not enforced, %d failed, %d not reached\n", t.counts[passed], t.counts[notEnforced], t.counts[failed], t.counts[notReached]) //nolint:errcheck // as above
	if n := t.counts[failed] + t.counts[notReached]; n > 0 {
		return fmt.Errorf("%w: %d of %d", ErrFailed, n, n+t.counts[passed]+t.counts[notEnforced])
	}
	return nil
}
