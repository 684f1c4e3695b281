package pages

import (
	"testing"
	"time"
)

// Without this a key that has been held for days would seem to be from today.
func TestClock(t *testing.T) {
	now := time.Date(2026, 5, 4, 0, 30, 0, 0, time.FixedZone("", 7200)) // the day before in UTC
	for at, want := range map[time.Time]string{
		now.Add(-time.Hour):             "21:30:00 UTC",
		now.Add(-23 * time.Hour):        "2026-05-02 23:30:00 UTC",
		now.Add(2 * time.Hour):          "2026-05-04 00:30:00 UTC",
		now.AddDate(-1, 0, 0):           "2025-05-03 22:30:00 UTC",
		now.UTC().Add(-time.Nanosecond): "22:29:59 UTC",
	} {
		if got := clock(at, now); got != want {
			t.Errorf("%v: got %s, want %s", at, got, want)
		}
	}
}
