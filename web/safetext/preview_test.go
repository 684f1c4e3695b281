package safetext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Without this all ciphertexts under one data key would look the same, or a part of one would be left out unsaid.
func TestPreviewsShowWhereCiphertextsDiffer(t *testing.T) {
	shared := strings.Repeat("k", 100) + "\xff"
	a, b := []byte(shared+"first, and its tag"), []byte(shared+"other, and its tag")
	same := SharedStart(a, b)
	if same != len(shared) {
		t.Fatalf("alike: %d, want %d", same, len(shared))
	}
	if d := PreviewFrom(a, same); d.Skipped != 99 || !d.Bytes || d.Text == PreviewFrom(b, same).Text {
		t.Errorf("got %+v", d)
	}
	if SharedStart([]byte("short a"), []byte("short b")) != 0 {
		t.Error("a few bytes in common are left out")
	}
	if d := PreviewFrom([]byte("é and more"), 1); d.Skipped != 0 || d.Text != "é and more" {
		t.Errorf("a character was cut: %+v", d)
	}
	long := []byte(strings.Repeat("\xfe", 300))
	if d := PreviewEnd(long); d.Skipped != 255 || !strings.HasPrefix(d.Text, "…") || len(d.Text) != len("…")+60 {
		t.Errorf("a row's end of a ciphertext: %+v", d)
	}
}

// Without this a long key that is cut within a character would be shown as bytes.
func TestPreviewKey(t *testing.T) {
	for key, want := range map[string]string{
		"k":                                 "k",
		"a" + strings.Repeat("鍵", 20):       "a" + strings.Repeat("鍵", 15) + "…",
		strings.Repeat("x", 60):             strings.Repeat("x", 48) + "…",
		"\xff" + strings.Repeat("\x00", 47): "/w" + strings.Repeat("A", 62),
	} {
		if got := PreviewKey([]byte(key)); got != want {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
}

// FuzzPreview checks that the page shows no invisible character, whatever a producer writes.
func FuzzPreview(f *testing.F) {
	for _, seed := range []string{"", "Msg 1: hello", "\x00\x1b[31m", "\u202eevil\u2066", "\xff\xfe", strings.Repeat("é", 2000), strings.Repeat("\u200d", 3000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		d := NewPreview(value)
		if !utf8.ValidString(d.Text) {
			t.Error("not valid UTF-8")
		}
		if strings.ContainsFunc(d.Text, hidden) {
			t.Error("an invisible character is left")
		}
		if (d.Cut > 0) != (len(value) > maxPreview) || d.Bytes == utf8.Valid(value) {
			t.Errorf("%d bytes: cut %d, bytes %v", len(value), d.Cut, d.Bytes)
		}
	})
}
