package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// Without this a record without a timestamp would be from the year 1, and one in microseconds would be "NaN" in the
// browser and break programs that parse RFC 3339.
func TestTimesThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		at   time.Time
		text string
		date any // in the API
		ms   any
	}{
		"none":               {time.Time{}, "no timestamp", nil, nil},
		"before 1970":        {time.UnixMilli(-1), "no timestamp", nil, nil},
		"1970":               {time.UnixMilli(0), "1970-01-01 00:00:00.000 UTC", "1970-01-01T00:00:00.000Z", 0.0},
		"now":                {time.UnixMilli(1_764_400_000_123), "2025-11-29 07:06:40.123 UTC", "2025-11-29T07:06:40.123Z", 1_764_400_000_123.0},
		"the last date":      {time.UnixMilli(253_402_300_799_999), "9999-12-31 23:59:59.999 UTC", "9999-12-31T23:59:59.999Z", 253_402_300_799_999.0},
		"after it":           {time.UnixMilli(253_402_300_800_000), "253402300800000 ms since 1970", nil, 253_402_300_800_000.0},
		"microseconds":       {time.UnixMilli(1_764_400_000_123_456), "1764400000123456 ms since 1970", nil, 1_764_400_000_123_456.0},
		"as large as can be": {time.UnixMilli(1<<63 - 1), "9223372036854775807 ms since 1970", nil, float64(1<<63 - 1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			r := rec(1, feed.StatePlain, "a")
			r.Timestamp = test.at
			s.feed.Append(r)
			row, opened := s.doc(t, "/").Find(testid("row")), s.doc(t, "/records/t/0/1").Find(testid("facts"))
			if got := row.Find(testid("row-time")).Text(); got != test.text {
				t.Errorf("the row says %q, want %q", got, test.text)
			}
			if got := opened.Find("dd").First().Text(); strings.TrimSpace(got) != test.text {
				t.Errorf("the opened record says %q, want %q", got, test.text)
			}
			for _, part := range []*selection{row, opened} { // the script writes local times into these
				times := part.Find("time")
				if (times.Length() > 0) != (test.date != nil) {
					t.Errorf("%d times", times.Length())
				}
				times.Each(func(_ int, at *selection) {
					if got := at.AttrOr("datetime", ""); got != test.date {
						t.Errorf("datetime is %q, want %v", got, test.date)
					}
				})
			}
			var answer struct{ Records []map[string]any }
			_, body, _ := s.get(t, "/api/records")
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			if got := answer.Records[0]; got["timestamp"] != test.date || got["timestamp_ms"] != test.ms {
				t.Errorf("the API says %v and %v, want %v and %v", got["timestamp"], got["timestamp_ms"], test.date, test.ms)
			}
		})
	}
}

// Without this a key that has been held for days would seem to be from today.
func TestTimesOfOtherDaysHaveADate(t *testing.T) {
	now := time.Date(2026, 5, 4, 0, 30, 0, 0, time.FixedZone("", 7200)) // the day before in UTC
	s := newSite(t, 1)
	s.key = podstatus.Key{State: podstatus.KeyReleased, Since: now.AddDate(0, 0, -3)}
	s.feed.Now = func() time.Time { return now }
	if got := s.doc(t, "/").Find(testid("banner")).Text(); !strings.Contains(got, "2026-04-30 22:30:00 UTC") {
		t.Errorf("the key's time: %s", got)
	}
}
