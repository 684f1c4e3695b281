package safetext

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// maxPreview is how many bytes of a value a preview shows: one large record must not freeze the page.
const maxPreview = 1 << 10

// Preview is the text of a value in a list.
type Preview struct {
	Text    string
	Skipped int  // bytes left out at the start
	Cut     int  // bytes of the value if not all are shown, else 0
	Bytes   bool // the value is not text: Text is base64
}

// NewPreview shows the start of a value.
func NewPreview(value []byte) Preview {
	d := Preview{}
	text := utf8.Valid(value)
	if len(value) > maxPreview {
		d.Cut = len(value)
		value = value[:maxPreview]
		if !text {
			value = value[:maxPreview-maxPreview%3] // whole groups of base64
		}
	}
	if !text {
		d.Bytes, d.Text = true, base64.StdEncoding.EncodeToString(value)
		return d
	}
	d.Text = Visible(WholeRunes(value))
	return d
}

// PreviewFrom leaves out the first bytes: those that all records under one data key share say nothing about this one.
func PreviewFrom(value []byte, skip int) Preview {
	text := utf8.Valid(value)
	if !text {
		skip -= skip % 3 // whole groups of base64
	}
	for skip > 0 && text && !utf8.RuneStart(value[skip]) {
		skip--
	}
	d := NewPreview(value[skip:])
	d.Skipped = skip
	return d
}

// PreviewEnd shows the end of a ciphertext: the start is the same for all records under one data key.
func PreviewEnd(value []byte) Preview {
	const shown = 45 // 60 characters of base64
	if len(value) <= shown {
		return NewPreview(value)
	}
	d := Preview{Skipped: len(value) - shown, Bytes: !utf8.Valid(value)}
	if d.Bytes {
		d.Skipped -= d.Skipped % 3
		d.Text = "…" + base64.StdEncoding.EncodeToString(value[d.Skipped:])
		return d
	}
	d.Text = "…" + Visible(strings.ToValidUTF8(string(value[d.Skipped:]), ""))
	return d
}

// PreviewKey shows the start of a record's key.
func PreviewKey(key []byte) string {
	const shown = 48
	if len(key) <= shown {
		return NewPreview(key).Text
	}
	start := key[:shown]
	if utf8.Valid(key) {
		start = []byte(WholeRunes(start))
	}
	return NewPreview(start).Text + "…"
}

// WholeRunes returns text without a last character that was cut.
func WholeRunes(value []byte) string {
	for len(value) > 0 && !utf8.Valid(value) {
		value = value[:len(value)-1]
	}
	return string(value)
}

// SharedStart returns how many bytes two values have in common at their start, or 0 if that is too few to leave out.
func SharedStart(a, b []byte) int {
	const fewest, rest = 64, 12
	n := 0
	for n < len(a)-rest && n < len(b) && a[n] == b[n] {
		n++
	}
	if n < fewest {
		return 0
	}
	return n
}
