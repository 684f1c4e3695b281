package group

import (
	"log/slog"
	"testing"
)

// noMetrics is a LagMetrics that drops everything.
type noMetrics struct{}

func (noMetrics) SetLag(int32, int64) {}
func (noMetrics) DropLag(int32)       {}

// newMember makes a member that is not connected.
func newMember(t *testing.T) *Member {
	t.Helper()
	cfg := Config{Topic: "t", Metrics: noMetrics{}, OnChange: func() {}, Log: slog.New(slog.DiscardHandler)}
	return &Member{cfg: cfg, assignment: newAssignment("t", cfg.explain)}
}
