package web

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many bytes of a value a row shows. The rest is in the API: one
// large record must not freeze the page for all others.
const maxShown = 2 << 10

// display is a value made fit to be looked at.
type display struct {
	Text  string
	Cut   int  // bytes in all where not all are shown, else 0
	Bytes bool // not text: Text is base64
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
	for d.Cut > 0 && len(value) > 0 && !utf8.Valid(value) {
		value = value[:len(value)-1] // the cut went through a character
	}
	d.Text = visible(string(value))
	return d
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
