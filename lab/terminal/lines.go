package terminal

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"kafka-e2ee/lab/console"
)

// Lines passes lines from the terminal and from the console to the producer that reads them now. Each line stays
// whole. The zero value is ready when Open was called.
type Lines struct {
	mu sync.Mutex // held while a line is written

	toMu sync.Mutex
	to   *io.PipeWriter
}

// Open returns what the next producer reads. The one before gets no further line.
func (t *Lines) Open() *io.PipeReader {
	reader, writer := io.Pipe()
	t.toMu.Lock()
	defer t.toMu.Unlock()
	if t.to != nil {
		_ = t.to.Close() //nolint:errcheck // never fails
	}
	t.to = writer
	return reader
}

// producer returns what the present producer reads from. Hold mu until the whole line is written.
func (t *Lines) producer() io.Writer {
	t.toMu.Lock()
	defer t.toMu.Unlock()
	return t.to
}

var (
	errEmptyLine = console.CommandError{Code: console.ProblemEmpty, Err: errors.New("the message is empty")}
	errManyLines = console.CommandError{Code: console.ProblemLines, Err: errors.New("the message has a line break: each line is one message")}
	errReplaced  = console.CommandError{Code: console.ProblemReplaced, Err: errors.New("the producer was replaced at that moment: send the message again")}
)

// Send writes a line. It returns when the producer has taken it, or ctx ends; the producer may take it later, then.
func (t *Lines) Send(ctx context.Context, line string) error {
	switch {
	case line == "":
		return errEmptyLine
	case strings.ContainsAny(line, "\r\n"):
		return errManyLines
	}
	taken := make(chan error, 1)
	go func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		_, err := io.WriteString(t.producer(), line+"\n")
		taken <- err
	}()
	select {
	case err := <-taken:
		if errors.Is(err, io.ErrClosedPipe) {
			return errReplaced
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
