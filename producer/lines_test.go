package producer

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// fixedLimit is 8 bytes.
func fixedLimit() lineLimit {
	return func(bool) int { return 8 }
}

func noBuffer() []byte { return nil }

// Without it lines would be lost, joined or changed.
func TestLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in    string
		count uint64
		want  []string
	}{
		"nothing":            {"", 0, nil},
		"one":                {"a\n", 0, []string{"a"}},
		"no newline at end":  {"a\nb", 0, []string{"a", "b"}},
		"empty and blank":    {"\n \r\n", 0, []string{"", " \r"}},
		"exactly the limit":  {"12345678\n", 0, []string{"12345678"}},
		"too long":           {"123456789\nb\n", 0, []string{"!", "b"}},
		"too long, the last": {"a\n123456789", 0, []string{"a", "!"}},
		"huge":               {strings.Repeat("x", 1<<20) + "\nb", 0, []string{"!", "b"}},
		"count":              {"a\nb\nc\n", 2, []string{"a", "b"}},
	} {
		var got []string
		err := readLines(iotest.HalfReader(strings.NewReader(test.in)), test.count, fixedLimit(), noBuffer, func(m message) bool {
			if m.number != uint64(len(got)+1) {
				t.Errorf("%s: line %d is numbered %d", name, len(got)+1, m.number)
			}
			if m.size > len(m.text) {
				m.text = append(m.text, '!')
			}
			got = append(got, string(m.text))
			return true
		})
		if err != nil || strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, test.want)
		}
	}
	broken := errors.New("broken")
	err := readLines(io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), 0, fixedLimit(), noBuffer, func(message) bool { return true })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

// Without it an endless line would fill the memory.
func FuzzLines(f *testing.F) {
	f.Add("a\n\nbcdefghijkl\nx")
	f.Fuzz(func(t *testing.T, in string) {
		want := strings.Split(strings.TrimSuffix(in, "\n"), "\n")
		if in == "" {
			want = nil
		}
		n, b := 0, &batch{buffer: make([]byte, 0, 20)}
		err := readLines(strings.NewReader(in), 0, fixedLimit(), b.free, func(m message) bool {
			if n >= len(want) || m.size != len(want[n]) || m.tooLong != (len(want[n]) > 8) || !m.tooLong && string(m.text) != want[n] || m.tooLong && m.text != nil {
				t.Fatalf("line %d of %q: %q, of %d bytes, too long %v", n+1, in, m.text, m.size, m.tooLong)
			}
			n++
			b.add(m)
			if m.more != (n < len(want)) && strings.HasSuffix(in, "\n") {
				t.Fatalf("line %d of %q: more is %v", n, in, m.more)
			}
			return true
		})
		if err != nil || n != len(want) {
			t.Fatalf("%d lines of %q, want %d: %v", n, in, len(want), err)
		}
		for i, m := range b.messages { // the lines behind it must not have changed it
			if !m.tooLong && string(m.text) != want[i] {
				t.Fatalf("line %d of %q has become %q", i+1, in, m.text)
			}
		}
	})
}

// Without it lines would still be dropped after somebody raised the topic's limit.
func TestLimitIsRefreshed(t *testing.T) {
	t.Parallel()
	longest, refreshes := 8, 0
	raised := func(refresh bool) int {
		if refresh {
			refreshes, longest = refreshes+1, 12
		}
		return longest
	}
	var got []string
	err := readLines(strings.NewReader("12345678\n123456789012\n1234567890123\n"), 0, raised, noBuffer, func(m message) bool {
		got = append(got, fmt.Sprint(len(m.text), m.tooLong))
		return true
	})
	if want := "8 false|12 false|0 true"; err != nil || strings.Join(got, "|") != want || refreshes != 2 {
		t.Errorf("got %q after %d refreshes, %v; want %q", got, refreshes, err, want)
	}
}
