package producer

import (
	"testing"
	"testing/synctest"
	"time"
)

// Without it the demo would lose the rhythm that the article describes.
func TestGenerateKeepsThePace(t *testing.T) {
	t.Parallel()
	cfg := Config{Message: "hi", Count: 25, Pace: Pace{Rate: 10, RateDeviation: 2, SendDuration: 5, SendDurationDeviation: 1, RestDuration: 10, RestDurationDeviation: 2}}
	var at []time.Duration
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		cfg.generate(t.Context(), func(by float64) float64 { return by }, func(m message) bool {
			if want := prefix(uint64(len(at)+1)) + "hi"; string(m.text) != want {
				t.Errorf("got %q, want %q", m.text, want)
			}
			at = append(at, time.Since(start))
			return true
		})
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

// Without it a deviation over its value would cause a negative burst or an endless sleep.
func TestBurstIsNeverNegative(t *testing.T) {
	t.Parallel()
	size, over, rest := Pace{Rate: 1, RateDeviation: 9, SendDuration: 1, SendDurationDeviation: 9, RestDuration: 1, RestDurationDeviation: 9}.burst(func(by float64) float64 { return -by })
	if size != 1 || over != 0 || rest != 0 {
		t.Errorf("got %d in %v, rest %v", size, over, rest)
	}
	for range 100 {
		if v := jitter(2); v < -2 || v > 2 {
			t.Errorf("jitter(2) = %v", v)
		}
	}
}
