package safetext

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

var errFull = errors.New("the limit is reached")

// limited passes on a number of bytes and then fails with errFull.
type limited struct {
	to   io.Writer
	left int
}

// Write implements [io.Writer].
func (l *limited) Write(b []byte) (int, error) {
	piece := b[:min(len(b), l.left)]
	n, err := l.to.Write(piece)
	l.left -= n
	if err == nil && len(piece) < len(b) {
		err = errFull
	}
	return n, err
}

// indent writes valid JSON as json.Indent does, with two spaces a level. Unlike json.Indent it needs no memory for the
// whole text, and stops at w's first error: on 31 levels a megabyte of "1," becomes 33, of which a page shows little.
func indent(w io.Writer, value []byte) error {
	line := []byte("\n" + strings.Repeat("  ", maxDepth+1))
	var level int
	var opened, quoted, started bool
	for i := 0; i < len(value); i++ {
		b := value[i]
		if quoted || level == 0 && started { // within a string, or after the end
			end := i
			for ; end < len(value) && quoted; end++ {
				switch value[end] {
				case '\\':
					end++
				case '"':
					quoted = false
				}
			}
			end = max(end, i+1)
			if _, err := w.Write(value[i:end]); err != nil {
				return err
			}
			i = end - 1
			continue
		}
		if bytes.IndexByte([]byte(" \t\r\n"), b) >= 0 {
			continue
		}
		var before, after []byte
		switch b {
		case '}', ']':
			level--
			if !opened {
				before = line[:1+2*level]
			}
			opened = false
		default:
			if opened {
				before = line[:1+2*level]
			}
			opened = false
		}
		switch b {
		case '{', '[':
			level++
			opened, started = true, true
		case ',':
			after = line[:1+2*level]
		case ':':
			after = []byte(" ")
		case '"':
			quoted = true
		}
		for _, part := range [][]byte{before, value[i : i+1], after} {
			if len(part) == 0 {
				continue
			}
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
	}
	return nil
}
