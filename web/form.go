package web

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"
)

// form is how bytes are written in an opened record.
type form struct {
	Kind string // text, json or hex
	Text string
	Size int // bytes in all
	Cut  int // bytes shown where not all are, else 0
}

const (
	cutAt      = 20 << 10 // bytes of a value shown before all of it is asked for
	everything = 64 << 20 // bytes of a value shown in any case
	longestDoc = 1 << 20  // bytes of JSON that are indented
	deepest    = 32       // levels of JSON that are indented: each costs two spaces a line
)

// plainForm writes bytes as they are: as text, or in hexadecimal where they are not text.
func plainForm(value []byte, limit int) form {
	f := form{Kind: "text", Size: len(value)}
	text := utf8.Valid(value)
	if len(value) > limit {
		f.Cut, value = limit, value[:limit]
	}
	if !text {
		f.Kind, f.Text = "hex", hex.Dump(value)
		return f
	}
	f.Text = visible(whole(value))
	return f
}

// valueForm does so too, and indents JSON. Every number keeps the digits that it has.
func valueForm(value []byte, limit int) form {
	indented, ok := indent(value)
	if !ok {
		return plainForm(value, limit)
	}
	f := plainForm(indented, limit)
	f.Kind, f.Size = "json", len(value)
	return f
}

// indent lays out a JSON object or array, as it is if it is anything else or too large or deep for that.
func indent(value []byte) ([]byte, bool) {
	start := bytes.TrimLeft(value, " \t\r\n")
	if len(start) == 0 || start[0] != '{' && start[0] != '[' || len(value) > longestDoc || depth(value) > deepest {
		return nil, false
	}
	var out bytes.Buffer
	if !utf8.Valid(value) || json.Indent(&out, value, "", "  ") != nil {
		return nil, false
	}
	return out.Bytes(), true
}

// depth is how deep brackets are nested, at most deepest+1. Those within strings count too: a false "deep" harms no one.
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
		if most > deepest {
			break
		}
	}
	return most
}
