package group

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"kafka-e2ee/web/podstatus"
)

const (
	statusInterval  = time.Second     // between two checks of the status: some of it depends on time alone
	minLogInterval  = 5 * time.Second // between two logs of the status
	maxCausesLogged = 5               // in one log of the status
)

// logStatus logs changes of the status, and reports them to OnChange.
func (m *Member) logStatus(ctx context.Context) {
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	var shown, logged podstatus.Kafka
	var loggedAt time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		status := m.assignment.status()
		if !sameStatus(status, shown) {
			shown = status
			m.cfg.OnChange()
		}
		switch unreadable := status.Assignment.Unreadable; {
		case time.Since(loggedAt) < minLogInterval || sameStatus(status, logged) && time.Since(loggedAt) < logRepeatInterval:
		case len(unreadable) > 0:
			for _, u := range unreadable[:min(len(unreadable), maxCausesLogged)] {
				m.cfg.Log.WarnContext(ctx, "partitions cannot be read", slog.Any("partitions", u.Partitions[:min(len(u.Partitions), podstatus.MaxListed)]),
					slog.Int("of", status.Assignment.Assigned), slog.Int("number", len(u.Partitions)), slog.String("cause", u.Cause.What), slog.String("hint", "check "+u.Cause.Check))
			}
			logged, loggedAt = status, time.Now()
		case status.State == podstatus.KafkaReading && len(logged.Assignment.Unreadable) > 0:
			m.cfg.Log.InfoContext(ctx, "every partition is read again", slog.Int("partitions", status.Assignment.Assigned))
			logged, loggedAt = status, time.Now()
		}
	}
}

// sameStatus compares statuses without their lag and times.
func sameStatus(a, b podstatus.Kafka) bool {
	return a.State == b.State && a.Cause == b.Cause && a.Assignment.Assigned == b.Assignment.Assigned && a.Assignment.Total == b.Assignment.Total &&
		slices.EqualFunc(a.Assignment.Unreadable, b.Assignment.Unreadable, func(a, b podstatus.Unreadable) bool {
			return a.Cause == b.Cause && slices.Equal(a.Partitions, b.Partitions)
		})
}
