package safetext

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// Rendering is the text of a value in an opened record. It holds only the value: the text can be many times as large,
// so it is made while it is sent.
type Rendering struct {
	Kind string // text, json or hex
	Size int    // bytes of the value
	Cut  int    // bytes shown if not all are, else 0

	value []byte // cut already, but for JSON
	limit int    // bytes to write, of JSON after it is indented
}

const (
	maxJSON  = 1 << 20 // bytes of JSON that are indented
	maxDepth = 32      // levels of JSON that are indented: each costs two spaces a line
)

// Plain renders up to limit bytes as they are: as text, or as a hex dump if they are not text.
func Plain(value []byte, limit int) Rendering {
	r := Rendering{Kind: "text", Size: len(value), value: value, limit: limit}
	if !utf8.Valid(value) {
		r.Kind = "hex"
	}
	if len(value) > limit {
		r.Cut, r.value = limit, value[:limit]
	}
	return r
}

// Pretty is like Plain, and indents JSON. Numbers keep their digits.
func Pretty(value []byte, limit int) Rendering {
	if !indentable(value) {
		return Plain(value, limit)
	}
	r := Rendering{Kind: "json", Size: len(value), value: value, limit: limit}
	if indent(&limited{io.Discard, limit}, value) != nil {
		r.Cut = limit
	}
	return r
}

// Name renders up to limit bytes of a name as text, whatever they are.
func Name(name string, limit int) Rendering {
	text := []byte(strings.ToValidUTF8(name[:min(len(name), limit)], "\uFFFD"))
	if len(name) > limit {
		text = append(text, "…"...)
	}
	return Rendering{Kind: "text", Size: len(name), value: text}
}

// write writes the text to w piece by piece.
func (r Rendering) write(w io.Writer) error {
	if r.Kind == "hex" {
		dump := hex.Dumper(w)
		if _, err := dump.Write(r.value); err != nil {
			return err
		}
		return dump.Close()
	}
	out := &visibleWriter{to: w}
	if r.Kind == "json" {
		if err := indent(&limited{out, r.limit}, r.value); err != nil && !errors.Is(err, errFull) {
			return err
		}
	} else if _, err := out.Write(r.value); err != nil {
		return err
	}
	return out.end()
}

// Preformatted writes the text as the content of a pre element.
func (r Rendering) Preformatted() templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, "\n"); err != nil { // a browser drops the first line feed
			return err
		}
		return r.Inline().Render(ctx, w)
	})
}

// Inline writes the text within an element, with places where a line may break.
func (r Rendering) Inline() templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		out := &breakingWriter{to: w}
		if err := r.write(out); err != nil {
			return err
		}
		return out.end()
	})
}

// indentable reports whether a value is a JSON object or array within the limits.
func indentable(value []byte) bool {
	start := bytes.TrimLeft(value, " \t\r\n")
	if len(start) == 0 || start[0] != '{' && start[0] != '[' || len(value) > maxJSON || depth(value) > maxDepth {
		return false
	}
	return utf8.Valid(value) && json.Valid(value)
}

// depth returns how deep brackets are nested, at most maxDepth+1. It counts those in strings too: then the value is only
// not indented.
func depth(value []byte) int {
	now, most := 0, 0
	for _, b := range value {
		switch b {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
		if most > maxDepth {
			break
		}
	}
	return most
}
