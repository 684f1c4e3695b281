package web

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/safetext"
)

const jsonType = "application/json; charset=utf-8"

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(body) //nolint:errcheck // the caller has gone
}

// jsonWriter writes JSON in pieces and keeps the first error.
type jsonWriter struct {
	*bufio.Writer
	err error
}

func (w *jsonWriter) text(s string) {
	if w.err == nil {
		_, w.err = w.WriteString(s)
	}
}

// value writes bytes as text if they are valid UTF-8, else as base64, or null. It returns the encoding, in JSON.
func (w *jsonWriter) value(b []byte) (encoding string) {
	switch {
	case b == nil:
		w.text("null")
		return "null"
	case utf8.Valid(b):
		w.quoted(b)
		return `"utf-8"`
	default:
		w.base64(b)
		return `"base64"`
	}
}

// quoted writes valid UTF-8 as a string.
func (w *jsonWriter) quoted(b []byte) {
	w.text(`"`)
	for len(b) > 0 && w.err == nil {
		piece := b[:min(len(b), 4<<10)]
		if len(piece) < len(b) {
			piece = []byte(safetext.WholeRunes(piece))
		}
		var quoted []byte
		if quoted, w.err = json.Marshal(string(piece)); w.err == nil {
			_, w.err = w.Write(quoted[1 : len(quoted)-1])
		}
		b = b[len(piece):]
	}
	w.text(`"`)
}

func (w *jsonWriter) base64(b []byte) {
	w.text(`"`)
	if w.err == nil {
		encoder := base64.NewEncoder(base64.StdEncoding, w.Writer)
		_, w.err = encoder.Write(b)
		if err := encoder.Close(); w.err == nil {
			w.err = err
		}
	}
	w.text(`"`)
}

// timeJSON returns a record's time in RFC 3339, nil if it is not a date, and in milliseconds since 1970, nil if it has none.
func timeJSON(r *feed.Record) (date *string, ms *int64) {
	if r.HasTime() {
		n := r.Timestamp.UnixMilli()
		ms = &n
	}
	if r.HasDate() {
		text := pages.RFC3339(r.Timestamp)
		date = &text
	}
	return date, ms
}
