// Package safetext turns untrusted bytes into text that is safe to show: invisible characters are escaped, and length
// and memory are limited.
//
// [Visible] is for names, [Preview] for the values in a list, [Rendering] for the whole of a value.
package safetext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

const (
	nonJoiner  = '\u200c' // ZWNJ: keeps two letters from joining
	joiner     = '\u200d' // ZWJ: makes two letters, or two emoji, join
	textStyle  = '\ufe0e' // VS15: the emoji before it is shown as text
	emojiStyle = '\ufe0f' // VS16: the character before it is shown as an emoji
	keycap     = '\u20e3' // puts a digit on a key

	blackFlag = "\U0001f3f4"                                                   // with a region in tags after it: the flag of that region
	england   = "\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f" // gbeng
	scotland  = "\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f" // gbsct
	wales     = "\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f" // gbwls
)

// opening begins an escape of Visible.
const opening = "⟨U+"

// Visible escapes invisible characters as their code points, such as ⟨U+200B⟩, so that no text looks like another one. It
// escapes control characters, characters that reorder text, everything that Unicode calls default-ignorable, and blanks
// other than the space. It keeps those that a script or an emoji needs. [Unmark] is its inverse.
func Visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && !strings.Contains(s, opening) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := regionFlag(s[i:]); n > 0 {
			b.WriteString(s[i : i+n])
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case hidden(r) && !needed(s[:i], r, s[i+n:]), strings.HasPrefix(s[i:], opening):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// Unmark returns the text that [Visible] was given.
func Unmark(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, opening)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		digits, after, closed := strings.Cut(rest, "⟩")
		r, err := strconv.ParseUint(digits, 16, 32)
		if !closed || err != nil || r > unicode.MaxRune {
			b.WriteString(opening)
			s = rest
			continue
		}
		b.WriteRune(rune(r))
		s = after
	}
}

// hidden reports whether a character is invisible or moves others.
func hidden(r rune) bool {
	switch {
	case r < 0x7f:
		return r < ' ' && r != '\n' && r != '\t'
	case unicode.In(r, unicode.Cc, unicode.Zs, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return true
	case unicode.Is(unicode.Cf, r):
		return !unicode.Is(unicode.Prepended_Concatenation_Mark, r) // signs around a number, which are visible
	}
	switch r { // blank letters and symbols: Braille, Khitan, music and hieroglyphs
	case '\u2800', '\U00016fe4', '\U0001d159', '\U00013441', '\U00013442':
		return true
	}
	return false
}

// needed reports whether a hidden character changes how the text around it looks.
func needed(before string, r rune, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	switch r {
	case textStyle:
		return emoji(last)
	case emojiStyle:
		return emoji(last) || next == keycap && strings.ContainsRune("0123456789#*", last)
	case joiner:
		if last == emojiStyle || isSkinTone(last) {
			last, _ = utf8.DecodeLastRuneInString(strings.TrimSuffix(before, string(last)))
		}
		return emoji(last) && emoji(next) || afterVirama(before) || beforeVirama(last, next)
	case nonJoiner:
		return unicode.IsLetter(next) && afterVirama(before) || betweenJoining(before, after)
	default:
		return false
	}
}

// regionFlag returns the length of the region's flag at the start of a text, 0 if there is none. Only the three flags
// that Unicode recommends look different everywhere: other tags would be hidden in the black flag.
func regionFlag(s string) int {
	rest, found := strings.CutPrefix(s, blackFlag)
	if !found {
		return 0
	}
	for _, region := range [...]string{england, scotland, wales} {
		if strings.HasPrefix(rest, region) {
			return len(blackFlag) + len(region)
		}
	}
	return 0
}

// maxMarks is how many marks are searched for the letter that they are on.
const maxMarks = 8

// lastLetter returns a text's last letter, if only marks follow it.
func lastLetter(s string) (rune, bool) {
	for range maxMarks {
		r, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
		if hidden(r) || !unicode.IsMark(r) {
			return r, unicode.IsLetter(r) && !hidden(r)
		}
	}
	return 0, false
}

// firstLetter returns a text's first letter, if only marks precede it.
func firstLetter(s string) (rune, bool) {
	for range maxMarks {
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if hidden(r) || !unicode.IsMark(r) {
			return r, unicode.IsLetter(r) && !hidden(r)
		}
	}
	return 0, false
}

// afterVirama reports whether a text ends in a consonant without its vowel, in a script in which a joiner changes how
// that is drawn (RFC 5892, appendices A.1 and A.2).
func afterVirama(before string) bool {
	const virama = 9 // a canonical combining class
	_, n := utf8.DecodeLastRuneInString(before)
	if n == 0 || norm.NFC.PropertiesString(before[len(before)-n:]).CCC() != virama {
		return false
	}
	letter, _ := lastLetter(before)
	return unicode.In(letter, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya,
		unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala)
}

// beforeVirama reports whether a joiner is between ra and virama, which are drawn differently with it (The Unicode
// Standard, sections 12.2 and 12.8).
func beforeVirama(last, next rune) bool {
	return last == '\u09b0' && next == '\u09cd' || last == '\u0cb0' && next == '\u0ccd' // Bengali, Kannada
}

// betweenJoining reports whether the letters on both sides would join, as Arabic letters do (RFC 5892, appendix A.1).
func betweenJoining(before, after string) bool {
	last, ends := lastLetter(before)
	first, begins := firstLetter(after)
	if !ends || !begins {
		return false
	}
	_, err := precis.OpaqueString.String(string([]rune{last, nonJoiner, first}))
	return err == nil
}
