package safetext

import (
	"bytes"
	"encoding/json"
	"html"
	"strings"
	"testing"
	"unicode/utf8"
)

// textOf returns the whole text of a rendering.
func textOf(t *testing.T, r Rendering) string {
	t.Helper()
	var b strings.Builder
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Without this a viewer could see other digits, characters or bytes than were sent.
func TestRenderings(t *testing.T) {
	const limit = 20 << 10
	long := strings.Repeat("x", limit+1)
	for name, test := range map[string]struct {
		value, kind, text string
		cut               int
	}{
		"text":            {"Msg 1: hello", "text", "Msg 1: hello", 0},
		"empty":           {"", "text", "", 0},
		"JSON":            {`{"b":1,"a":[1.00,12345678901234567890,1e400]}`, "json", "{\n  \"b\": 1,\n  \"a\": [\n    1.00,\n    12345678901234567890,\n    1e400\n  ]\n}", 0},
		"same name twice": {`{"a":1,"a":2}`, "json", "{\n  \"a\": 1,\n  \"a\": 2\n}", 0},
		"JSON, hidden":    {"{\"a\":\"\u202etxt\"}", "json", "{\n  \"a\": \"⟨U+202E⟩txt\"\n}", 0},
		"a number":        {"12345678901234567890", "text", "12345678901234567890", 0},
		"half of JSON":    {`{"a":`, "text", `{"a":`, 0},
		"too deep":        {strings.Repeat("[", 40) + strings.Repeat("]", 40), "text", strings.Repeat("[", 40) + strings.Repeat("]", 40), 0},
		"control":         {"a\x1b[31m\r\x00\tb\n", "text", "a⟨U+001B⟩[31m⟨U+000D⟩⟨U+0000⟩\tb\n", 0},
		"right to left":   {"user\u202excod.exe \u2066\u200b", "text", "user⟨U+202E⟩xcod.exe ⟨U+2066⟩⟨U+200B⟩", 0},
		"bytes":           {"\xff\x00A", "hex", "00000000  ff 00 41                                          |..A|\n", 0},
		"long":            {long, "text", long[:limit], limit},
		"long, cut in é":  {strings.Repeat("x", limit-1) + "éé", "text", strings.Repeat("x", limit-1), limit},
	} {
		t.Run(name, func(t *testing.T) {
			got := Pretty([]byte(test.value), limit)
			if got.Kind != test.kind || textOf(t, got) != test.text || got.Size != len(test.value) || got.Cut != test.cut {
				t.Errorf("got %s of %d bytes, cut at %d: %.200q, want %s, cut at %d: %.200q", got.Kind, got.Size, got.Cut, textOf(t, got), test.kind, test.cut, test.text)
			}
			if all := Pretty([]byte(test.value), 1<<20); all.Cut != 0 {
				t.Errorf("all of it is cut at %d", all.Cut)
			}
		})
	}
	if got := Plain([]byte(`{"a":1}`), limit); got.Kind != "text" || textOf(t, got) != `{"a":1}` {
		t.Errorf("in Kafka: %+v", got)
	}
}

// FuzzRendering checks that an opened record shows no invisible character and no more than its limit, whatever a producer
// writes.
func FuzzRendering(f *testing.F) {
	for _, seed := range []string{"", "plain", `{"n":1.0000000000000000001,"s":"\u202e"}`, "[[[[1]]]]", "[\r]", "[]\r", "{", "\xff\x00", strings.Repeat("[", 5000), "{\"a\":\"\u202e\"}"} {
		f.Add([]byte(seed), 100)
	}
	f.Fuzz(func(t *testing.T, value []byte, limit int) {
		if limit < 1 || limit > 1<<16 {
			return
		}
		for _, got := range []Rendering{Plain(value, limit), Pretty(value, limit)} {
			text := textOf(t, got)
			if got.Size != len(value) || !utf8.ValidString(text) || strings.ContainsFunc(text, hidden) {
				t.Errorf("%+v: %q", got, text)
			}
			if most := 12 * limit; len(text) > most+100 || got.Kind == "hex" == utf8.Valid(value) {
				t.Errorf("%d bytes, limit %d: %s of %d", len(value), limit, got.Kind, len(text))
			}
			if got.Kind == "json" {
				var want bytes.Buffer
				if err := json.Indent(&want, value, "", "  "); err != nil {
					t.Fatal(err)
				}
				cut := want.Bytes()[:min(want.Len(), limit)]
				if text != Visible(WholeRunes(cut)) || (got.Cut > 0) != (want.Len() > limit) {
					t.Errorf("%q, limit %d: got %q, cut %d, want %q", value, limit, text, got.Cut, want.Bytes())
				}
			}
			var page strings.Builder
			if err := got.Preformatted().Render(t.Context(), &page); err != nil {
				t.Fatal(err)
			}
			if plain := html.UnescapeString(strings.ReplaceAll(page.String(), "<wbr>", "")); plain != "\n"+text {
				t.Errorf("the page shows %q as %q", text, plain)
			}
		}
		if skip := min(limit, len(value)); len(value) > 0 {
			if d := PreviewFrom(value, min(skip, len(value)-1)); d.Skipped > skip || !utf8.ValidString(d.Text) {
				t.Errorf("%+v", d)
			}
		}
	})
}
