package web

import (
	"strings"
	"testing"
)

// Without this a viewer would see other digits, other characters or other bytes than were sent.
func TestForms(t *testing.T) {
	long := strings.Repeat("x", cutAt+1)
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
		"long":            {long, "text", long[:cutAt], cutAt},
		"long, cut in é":  {strings.Repeat("x", cutAt-1) + "éé", "text", strings.Repeat("x", cutAt-1), cutAt},
	} {
		t.Run(name, func(t *testing.T) {
			got := valueForm([]byte(test.value), cutAt)
			if want := (form{test.kind, test.text, len(test.value), test.cut}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if all := valueForm([]byte(test.value), everything); all.Cut != 0 {
				t.Errorf("all of it is cut at %d", all.Cut)
			}
		})
	}
	if got := plainForm([]byte(`{"a":1}`), cutAt); got.Kind != "text" || got.Text != `{"a":1}` {
		t.Errorf("in Kafka: %+v", got)
	}
}

// Without this every ciphertext of an envelope would look the same, or a part of it would be hidden without a word.
func TestCiphertextIsShownWhereItDiffers(t *testing.T) {
	shared := strings.Repeat("k", 100) + "\xff"
	a, b := []byte(shared+"first, and its tag"), []byte(shared+"other, and its tag")
	same := alike(a, b)
	if same != len(shared) {
		t.Fatalf("alike: %d, want %d", same, len(shared))
	}
	if d := displayFrom(a, same); d.Skipped != 99 || !d.Bytes || d.Text == displayFrom(b, same).Text {
		t.Errorf("got %+v", d)
	}
	if alike([]byte("short a"), []byte("short b")) != 0 {
		t.Error("a few bytes in common are left out")
	}
	if d := displayFrom([]byte("é and more"), 1); d.Skipped != 0 || d.Text != "é and more" {
		t.Errorf("a character was cut: %+v", d)
	}
	long := []byte(strings.Repeat("\xfe", 300))
	if d := tail(long); d.Skipped != 255 || !strings.HasPrefix(d.Text, "…") || len(d.Text) != len("…")+60 {
		t.Errorf("a row's end of a ciphertext: %+v", d)
	}
}
