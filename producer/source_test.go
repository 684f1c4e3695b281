package producer

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Without it the demo's rhythm, which people know from the document, would be another one.
func TestNumberedKeepsThePace(t *testing.T) {
	t.Parallel()
	var now time.Duration
	still := clock{
		sleep: func(_ context.Context, d time.Duration) bool { now += d; return true },
		vary:  func(by float64) float64 { return by },
	}
	cfg := Config{Message: "hi", Count: 25, Pace: Pace{Rate: 10, RateDeviation: 2, SendDuration: 5, SendDurationDeviation: 1, RestDuration: 10, RestDurationDeviation: 2}}
	var at []time.Duration
	cfg.numbered(t.Context(), still, func(m message) bool {
		if want := prefix(uint64(len(at)+1)) + "hi"; string(m.text) != want {
			t.Errorf("got %q, want %q", m.text, want)
		}
		at = append(at, now)
		return true
	})
	if len(at) != 25 {
		t.Fatalf("%d messages, want 25", len(at))
	}
	// Bursts of 12 within 6 s, rests of 12 s.
	for n, want := range map[int]time.Duration{0: 0, 1: 500 * time.Millisecond, 11: 5500 * time.Millisecond, 12: 18 * time.Second, 24: 36 * time.Second} {
		if at[n] != want {
			t.Errorf("message %d at %v, want %v", n+1, at[n], want)
		}
	}
}

// Without it a deviation larger than its value would make a negative burst or an endless sleep.
func TestBurstIsNeverNegative(t *testing.T) {
	t.Parallel()
	size, over, rest := Pace{Rate: 1, RateDeviation: 9, SendDuration: 1, SendDurationDeviation: 9, RestDuration: 1, RestDurationDeviation: 9}.burst(func(by float64) float64 { return -by })
	if size != 1 || over != 0 || rest != 0 {
		t.Errorf("got %d in %v, rest %v", size, over, rest)
	}
	for range 100 {
		if v := realClock().vary(2); v < -2 || v > 2 {
			t.Errorf("vary(2) = %v", v)
		}
	}
}

func eight() int { return 8 }

// Without it lines of a log would be lost, joined or changed on their way.
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
		err := newLines().read(iotest.HalfReader(strings.NewReader(test.in)), test.count, eight, func(m message) bool {
			if m.number != uint64(len(got)+1) {
				t.Errorf("%s: line %d is numbered %d", name, len(got)+1, m.number)
			}
			if m.tooLong {
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
	err := newLines().read(io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), 0, eight, func(message) bool { return true })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

// Without it an endless line fills the memory.
func FuzzLines(f *testing.F) {
	f.Add("a\n\nbcdefghijkl\nx")
	f.Fuzz(func(t *testing.T, in string) {
		want := strings.Split(strings.TrimSuffix(in, "\n"), "\n")
		if in == "" {
			want = nil
		}
		n, lines := 0, newLines()
		err := lines.read(strings.NewReader(in), 0, eight, func(m message) bool {
			if n >= len(want) || m.tooLong != (len(want[n]) > 8) || !m.tooLong && string(m.text) != want[n] || len(m.text) > 8 {
				t.Fatalf("line %d of %q: %q, too long %v", n+1, in, m.text, m.tooLong)
			}
			n++
			lines.free(m.text)
			return true
		})
		if err != nil || n != len(want) {
			t.Fatalf("%d lines of %q, want %d: %v", n, in, len(want), err)
		}
	})
}
