package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryShare is the share of the container's memory that Go's runtime may use before it collects garbage harder. The
// rest is for what the runtime does not count: the program's code, kernel buffers, and a burst between two collections.
const memoryShare = 0.9

// LimitMemory keeps Go's runtime within the memory limit of the program's container, if there is one. GOMEMLIMIT in the
// environment wins.
func LimitMemory(ctx context.Context, log *slog.Logger) {
	_, err := memlimit.Set(memlimit.WithRatio(memoryShare))
	if errors.Is(err, memlimit.ErrNoCgroup) || errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		return // no container
	}
	if err != nil {
		log.WarnContext(ctx, "memory is not limited", slog.Any("error", fmt.Errorf("reading the container's memory limit: %w", err)))
	}
}
