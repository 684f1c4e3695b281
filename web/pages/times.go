package pages

import (
	"strconv"
	"time"

	"kafka-e2ee/web/feed"
)

const timeLayout = "2006-01-02 15:04:05.000 UTC"

func utc(t time.Time) string { return t.UTC().Format(timeLayout) }

// seconds returns a time that is known to the second, empty for the zero time.
func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// clock returns the time of day, with the date unless that is now's. The zero time as now gives the date in any case.
func clock(t, now time.Time) string {
	if t, now = t.UTC(), now.UTC(); t.Year() != now.Year() || t.YearDay() != now.YearDay() {
		return seconds(t)
	}
	return t.Format("15:04:05 UTC")
}

// RFC3339 writes a time in UTC with milliseconds (RFC 3339).
func RFC3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// time returns a record's time for a reader, and in RFC 3339 if it is a date.
func (l Localizer) time(r *feed.Record) (text, datetime string) {
	switch {
	case !r.HasTime():
		return l.T("time.none"), ""
	case !r.HasDate():
		return l.T("time.number", "n", strconv.FormatInt(r.Timestamp.UnixMilli(), 10)), ""
	default:
		return utc(r.Timestamp), RFC3339(r.Timestamp)
	}
}
