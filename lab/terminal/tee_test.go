package terminal

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A person would not notice that a typed line was not sent: the log is in a file.
func TestErrorsReachTheTerminal(t *testing.T) {
	var file, terminal bytes.Buffer
	log := slog.New(TeeErrors(slog.NewJSONHandler(&file, nil), &terminal)).With(slog.String("part", "typed lines"))
	log.Info("connected to Kafka")
	log.Warn("Kafka is away, trying again")
	log.Error("message not sent", slog.Uint64("line", 3), slog.Any("error", errors.New("sealing message: 400 bytes")))
	if want := "  message not sent, line: 3, error: sealing message: 400 bytes\n"; terminal.String() != want {
		t.Errorf("the terminal shows %q, want %q", &terminal, want)
	}
	if got := strings.Count(file.String(), `"part":"typed lines"`); got != 3 {
		t.Errorf("the file has %d lines, want 3: %s", got, &file)
	}
}
