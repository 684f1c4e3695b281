package safetext

import (
	"io"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// visibleWriter writes text through [Visible]. The text must be valid UTF-8, but its last character may be cut.
type visibleWriter struct {
	to   io.Writer
	text []byte
}

// visiblePiece is about how many bytes go through Visible at once.
const visiblePiece = 4 << 10

// Write implements [io.Writer].
func (v *visibleWriter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), 2*visiblePiece-len(v.text))
		v.text, rest = append(v.text, rest[:n]...), rest[n:]
		if len(v.text) < 2*visiblePiece {
			continue
		}
		// Cut before an ASCII character: Visible looks at the neighbours of a character, but not across that.
		at := visiblePiece
		for at > 1 && v.text[at] >= utf8.RuneSelf {
			at--
		}
		if at == 1 {
			at = len(WholeRunes(v.text[:visiblePiece]))
		}
		if _, err := io.WriteString(v.to, Visible(string(v.text[:at]))); err != nil {
			return 0, err
		}
		v.text = append(v.text[:0], v.text[at:]...)
	}
	return len(b), nil
}

func (v *visibleWriter) end() error {
	_, err := io.WriteString(v.to, Visible(WholeRunes(v.text)))
	return err
}

// breakEvery is the number of bytes after which a line may break. Without such places Chromium takes half a minute to lay
// out a line of a megabyte, with them two seconds.
const breakEvery = 1 << 10

// breakingWriter escapes text for HTML and adds places where a line may break. They are not part of copied text.
type breakingWriter struct {
	to   io.Writer
	text []byte
}

// Write implements [io.Writer].
func (b *breakingWriter) Write(text []byte) (int, error) {
	b.text = append(b.text, text...)
	for len(b.text) > breakEvery {
		piece := WholeRunes(b.text[:breakEvery])
		if piece == "" { // not valid UTF-8
			piece = string(b.text[:breakEvery])
		}
		if _, err := io.WriteString(b.to, templ.EscapeString(piece)+"<wbr>"); err != nil {
			return 0, err
		}
		b.text = append(b.text[:0], b.text[len(piece):]...)
	}
	return len(text), nil
}

func (b *breakingWriter) end() error {
	_, err := io.WriteString(b.to, templ.EscapeString(string(b.text)))
	return err
}
