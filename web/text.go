package web

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// maxShown is how many bytes of a value the head and the rows show. The rest is in the opened record: one large record
// must not freeze the page for all others.
const maxShown = 1 << 10

// display is a value made fit to be looked at in passing.
type display struct {
	Text    string
	Skipped int  // bytes left out in front
	Cut     int  // bytes in all where not all are shown, else 0
	Bytes   bool // not text: Text is base64
}

func displayOf(value []byte) display {
	d := display{}
	text := utf8.Valid(value)
	if len(value) > maxShown {
		d.Cut = len(value)
		value = value[:maxShown]
	}
	if !text {
		d.Bytes, d.Text = true, base64.StdEncoding.EncodeToString(value)
		return d
	}
	d.Text = visible(whole(value))
	return d
}

// whole is text without the character that a cut went through.
func whole(value []byte) string {
	for len(value) > 0 && !utf8.Valid(value) {
		value = value[:len(value)-1]
	}
	return string(value)
}

// displayFrom leaves out the first bytes: those that are the same in every
// record under one data key, which say nothing about this one.
func displayFrom(value []byte, skip int) display {
	text := utf8.Valid(value)
	if !text {
		skip -= skip % 3 // base64 of the rest is then the end of the base64 of all
	}
	for skip > 0 && text && !utf8.RuneStart(value[skip]) {
		skip--
	}
	d := displayOf(value[skip:])
	d.Skipped = skip
	return d
}

// alike is how many bytes of two values are the same from the start, if they are worth leaving out.
func alike(a, b []byte) int {
	const worth, rest = 64, 12
	n := 0
	for n < len(a)-rest && n < len(b) && a[n] == b[n] {
		n++
	}
	if n < worth {
		return 0
	}
	return n
}

// visible writes control characters and those that reorder or hide text as
// their code points, so that a record cannot look like something that it is not.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029')
}

const timeLayout = "2006-01-02 15:04:05.000 UTC"

func utc(t time.Time) string { return t.UTC().Format(timeLayout) }

// clock is the time of day alone, for what happened a moment ago.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// mayBreak is after how many bytes at most a text may be broken into lines. Chromium takes half a minute to lay out one
// of a megabyte without a place for that, and two seconds with them.
const mayBreak = 1 << 10

// breakable writes a text with places where a line may end. They are not part of what is copied.
func breakable(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		for len(text) > mayBreak {
			piece := whole([]byte(text[:mayBreak]))
			if piece == "" { // not text: as it is
				break
			}
			if _, err := io.WriteString(w, templ.EscapeString(piece)+"<wbr>"); err != nil {
				return err
			}
			text = text[len(piece):]
		}
		_, err := io.WriteString(w, templ.EscapeString(text))
		return err
	})
}
