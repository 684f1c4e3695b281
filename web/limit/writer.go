package limit

import (
	"net/http"
	"time"
)

const (
	// AnswerTimeout is the time that a client has to receive an answer.
	AnswerTimeout = time.Minute
	// PieceSize is the number of bytes that are written at once.
	PieceSize = 64 << 10

	pieceTimeout = 10 * time.Second
)

// Writer writes an answer in pieces, each with a time limit. A client that is too slow is dropped: what is held for it is
// part of a budget that others need.
type Writer struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	end        time.Time
}

// NewWriter makes a Writer for an answer that starts now.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{w, http.NewResponseController(w), time.Now().Add(AnswerTimeout)}
}

// Write implements [io.Writer].
func (w *Writer) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		limit := time.Now().Add(pieceTimeout)
		if limit.After(w.end) {
			limit = w.end
		}
		if err := w.controller.SetWriteDeadline(limit); err != nil {
			return n, err
		}
		wrote, err := w.w.Write(b[:min(len(b), PieceSize)])
		n += wrote
		if err != nil {
			return n, err
		}
		b = b[wrote:]
	}
	return n, nil
}

// Send writes a piece of an answer without an end, such as an event stream, and flushes it. It leaves no time limit: over
// HTTP/2 a limit ends the stream even if nothing is being written when it passes.
func Send(w http.ResponseWriter, body []byte) error {
	out := NewWriter(w)
	if _, err := out.Write(body); err != nil {
		return err
	}
	return out.Flush()
}

// Flush sends what was written. It leaves no time limit, as Send does.
func (w *Writer) Flush() error {
	if err := w.controller.SetWriteDeadline(time.Now().Add(pieceTimeout)); err != nil {
		return err
	}
	if err := w.controller.Flush(); err != nil {
		return err
	}
	return w.controller.SetWriteDeadline(time.Time{})
}
