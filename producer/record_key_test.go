package producer

import (
	"strings"
	"testing"
)

// Without it a line without a separator would be written under an unintended key.
func TestWithKey(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		key, text string
		ok        bool
	}{
		"a::b":                                {"a", "b", true},
		"a::b::c":                             {"a", "b::c", true},
		"::b":                                 {"", "b", true},
		"a::":                                 {"a", "", true},
		"a:b":                                 {"", "", false},
		"":                                    {"", "", false},
		strings.Repeat("k", maxKey) + "::x":   {strings.Repeat("k", maxKey), "x", true},
		strings.Repeat("k", maxKey+1) + "::x": {strings.Repeat("k", maxKey+1), "x", false},
	} {
		got := Config{KeySeparator: "::"}.withKey(message{text: []byte(line)})
		if (got.err == nil) != want.ok || got.key == nil || want.ok && (string(got.key) != want.key || string(got.text) != want.text) {
			t.Errorf("%.20q: key %.20q, text %q, %v", line, got.key, got.text, got.err)
		}
		if got.err != nil && strings.Contains(got.err.Error(), "kkk") {
			t.Errorf("the error holds the key: %v", got.err)
		}
	}
	if got := (Config{}).withKey(message{text: []byte("a::b")}); got.key != nil || string(got.text) != "a::b" {
		t.Errorf("without a separator: key %q, text %q", got.key, got.text)
	}
	if got := (Config{Key: "k"}).withKey(message{text: []byte("a")}); string(got.key) != "k" {
		t.Errorf("KEY is %q", got.key)
	}
	for _, wrong := range []Config{{Key: "k", KeySeparator: ":"}, {KeySeparator: "\n"}, {Key: strings.Repeat("k", maxKey+1)}} {
		if wrong.checkKeys() == nil {
			t.Errorf("%.40v is accepted", wrong.KeySeparator)
		}
	}
}
