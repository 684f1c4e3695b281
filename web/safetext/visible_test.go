package safetext

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// ignorable returns all default-ignorable characters of Unicode 17.0 (DerivedCoreProperties.txt).
func ignorable() [][2]rune {
	return [][2]rune{
		{0xad, 0xad},
		{0x34f, 0x34f},
		{0x61c, 0x61c},
		{0x115f, 0x1160},
		{0x17b4, 0x17b5},
		{0x180b, 0x180f},
		{0x200b, 0x200f},
		{0x202a, 0x202e},
		{0x2060, 0x206f},
		{0x3164, 0x3164},
		{0xfe00, 0xfe0f},
		{0xfeff, 0xfeff},
		{0xffa0, 0xffa0},
		{0xfff0, 0xfff8},
		{0x1bca0, 0x1bca3},
		{0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff},
	}
}

// blanks returns the white space other than the space, the tab and the line feed, and characters that look like it.
func blanks() []rune {
	list := []rune{0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x2800, 0x3000, 0x1d159}
	for r := rune(0x2000); r <= 0x200a; r++ {
		list = append(list, r)
	}
	return list
}

// Without this two different names could look the same.
func TestInvisibleCharactersAreEscaped(t *testing.T) {
	check := func(r rune) {
		mark := fmt.Sprintf("⟨U+%04X⟩", r)
		for _, place := range [][2]string{{"alice", ""}, {"", "alice"}, {"al", "ice"}, {"山", "田"}, {"1", ""}, {"", ""}} {
			if got, want := Visible(place[0]+string(r)+place[1]), place[0]+mark+place[1]; got != want {
				t.Errorf("%q with U+%04X is shown as %q", place[0]+place[1], r, got)
			}
		}
	}
	for _, part := range ignorable() {
		for r := part[0]; r <= part[1]; r++ {
			check(r)
		}
	}
	for _, r := range blanks() {
		check(r)
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.White_Space, r) && !strings.ContainsRune(" \n\t", r) || unicode.IsControl(r) && r != '\n' && r != '\t' {
			check(r)
		}
	}
}

// Without this messages in Persian or Hindi, or with some emoji, would be full of escapes, or characters that these need
// could hide in other texts.
func TestNeededJoinersAreKept(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"Persian, I want":         {"می\u200cخواهم", ""},
		"Persian, with vowels":    {"نَامِه\u200cاَی", ""},
		"Persian, after no join":  {"کار\u200cها", "کار⟨U+200C⟩ها"},
		"Persian, at the end":     {"می\u200c", "می⟨U+200C⟩"},
		"Persian, twice":          {"می\u200c\u200cخ", "می⟨U+200C⟩⟨U+200C⟩خ"},
		"Persian, in front":       {"\u200cمی", "⟨U+200C⟩می"},
		"Persian, before Latin":   {"می\u200ca", "می⟨U+200C⟩a"},
		"Hindi, half letter":      {"क्\u200dष", ""},
		"Hindi, at the end":       {"क्\u200d", ""},
		"Hindi, no conjunct":      {"क्\u200cष", ""},
		"Hindi, no conjunct, end": {"क्\u200c", "क्⟨U+200C⟩"},
		"Hindi, with a dot":       {"ड़्\u200dय", ""},
		"Hindi, no virama":        {"क\u200dष", "क⟨U+200D⟩ष"},
		"Hindi, twice":            {"क्\u200d\u200dष", "क्\u200d⟨U+200D⟩ष"},
		"Sinhala, Sri":            {"ශ්\u200dරී", ""},
		"Bengali, RAB":            {"র\u200d্যাব", ""},
		"Bengali, another letter": {"ক\u200d্যা", "ক⟨U+200D⟩্যা"},
		"virama on Latin":         {"a\u094d\u200d", "a\u094d⟨U+200D⟩"},
		"virama on nothing":       {"\u094d\u200d", "\u094d⟨U+200D⟩"},
		"Thai":                    {"กฺ\u200cก", "กฺ⟨U+200C⟩ก"},
		"Arabic number sign":      {"\u0600١٢", ""},
		"family":                  {"👨\u200d👩\u200d👧\u200d👦", ""},
		"health worker":           {"👩🏽\u200d⚕\ufe0f", ""},
		"rainbow":                 {"🏳\ufe0f\u200d🌈", ""},
		"heart":                   {"❤\ufe0f", ""},
		"heart as text":           {"❤\ufe0e", ""},
		"keycap":                  {"1\ufe0f\u20e3", ""},
		"digit":                   {"1\ufe0f2", "1⟨U+FE0F⟩2"},
		"letter":                  {"a\ufe0f", "a⟨U+FE0F⟩"},
		"style, twice":            {"❤\ufe0f\ufe0f", "❤\ufe0f⟨U+FE0F⟩"},
		"style after skin":        {"👩🏽\ufe0f", "👩🏽⟨U+FE0F⟩"},
		"other selector":          {"❤\ufe00", "❤⟨U+FE00⟩"},
		"selector for ideographs": {"葛\U000e0100城", "葛⟨U+E0100⟩城"},
		"family, broken":          {"👨\u200d", "👨⟨U+200D⟩"},
		"family with a letter":    {"👨\u200da", "👨⟨U+200D⟩a"},
		"family, twice":           {"👨\u200d\u200d👩", "👨⟨U+200D⟩⟨U+200D⟩👩"},
		"flag":                    {"🇯🇵", ""},
		"Scotland":                {"🏴" + tags("gbsct") + "\U000e007f!", ""},
		"Scotland, no end":        {"🏴" + tags("gbsct"), "🏴" + marked(tags("gbsct"))},
		"text in a flag":          {"🏴" + tags("pay eve") + "\U000e007f", "🏴" + marked(tags("pay eve")+"\U000e007f")},
		"text after a flag":       {"🏴" + tags("gbeng") + "\U000e007f" + tags("x"), "🏴" + tags("gbeng") + "\U000e007f" + marked(tags("x"))},
		"tags on a letter":        {"a" + tags("gbsct") + "\U000e007f", "a" + marked(tags("gbsct")+"\U000e007f")},
		"a mark as text":          {"⟨U+200B⟩", "⟨U+27E8⟩U+200B⟩"},
		"a bracket":               {"⟨a⟩", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if test.want == "" {
				test.want = test.text
			}
			if got := Visible(test.text); got != test.want {
				t.Errorf("got %+q, want %+q", got, test.want)
			}
			if got := Unmark(test.want); got != test.text {
				t.Errorf("unmarked it is %+q, want %+q", got, test.text)
			}
		})
	}
}

func tags(text string) string {
	return strings.Map(func(r rune) rune { return 0xe0000 + r }, text)
}

func marked(text string) string {
	var b strings.Builder
	for _, r := range text {
		fmt.Fprintf(&b, "⟨U+%04X⟩", r)
	}
	return b.String()
}

// FuzzVisible checks that no two texts look the same, and that a hidden character that is kept changes its neighbours.
func FuzzVisible(f *testing.F) {
	for _, seed := range []string{"alice", "alice\u3164", "⟨U+3164⟩", "⟨U+⟨U+200B⟩", "👨\u200d👩", "می\u200cخواهم", "क्\u200dष", "1\ufe0f\u20e3", "🏴" + tags("gbsct") + "\U000e007f", "\ufe0f\u200d\ufe0f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			text = strings.ToValidUTF8(text, "")
		}
		shown := Visible(text)
		if got := Unmark(shown); got != text {
			t.Errorf("%+q and %+q are both shown as %+q", text, got, shown)
		}
		previous := rune(-1)
		for _, r := range shown {
			if hidden(r) && (previous < 0x80 && (previous < '#' || previous > '9') || unicode.Is(unicode.Latin, previous) || unicode.Is(unicode.Han, previous) || hidden(previous) && previous != emojiStyle && previous < 0xe0000) {
				t.Errorf("%+q is shown as %+q: U+%04X after %q", text, shown, r, previous)
			}
			previous = r
		}
	})
}
