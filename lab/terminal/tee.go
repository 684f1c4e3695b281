package terminal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// teeHandler also writes errors to the terminal. The log is in a file, and a
// person who typed a line must see that it was not sent.
type teeHandler struct {
	slog.Handler
	terminal io.Writer
}

// TeeErrors returns a handler that also writes errors to the terminal.
func TeeErrors(log slog.Handler, terminal io.Writer) slog.Handler {
	return &teeHandler{Handler: log, terminal: terminal}
}

// Handle logs the record. It writes an error to the terminal, too, in one line.
func (h *teeHandler) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelError {
		var details strings.Builder
		record.Attrs(func(attr slog.Attr) bool {
			fmt.Fprintf(&details, ", %s: %s", attr.Key, attr.Value)
			return true
		})
		fmt.Fprintf(h.terminal, "  %s%s\n", record.Message, details.String()) //nolint:errcheck // a closed terminal is not our failure
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs keeps the terminal.
func (h *teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &teeHandler{Handler: h.Handler.WithAttrs(attrs), terminal: h.terminal}
}

// WithGroup keeps the terminal.
func (h *teeHandler) WithGroup(name string) slog.Handler {
	return &teeHandler{Handler: h.Handler.WithGroup(name), terminal: h.terminal}
}
