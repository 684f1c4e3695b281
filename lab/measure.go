package lab

import (
	"context"
	"fmt"
	"log/slog"

	"kafka-e2ee/lab/attacks"
)

// observe does every attack on a stage.
func observe(ctx context.Context, s *stage) ([]attacks.Observation, error) {
	if err := attacks.Ready(ctx, s.target); err != nil {
		return nil, err
	}
	var all []attacks.Observation
	for _, a := range attacks.All() {
		o, err := a.Run(ctx, s.target)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// measure does every attack on every defence, each on its own topic.
func measure(ctx context.Context, brokers []string, topics func(defence) string, log *slog.Logger) (map[string][]attacks.Observation, error) {
	found := make(map[string][]attacks.Observation)
	for _, d := range defences() {
		s, err := newStage(ctx, brokers, topics(d), d, log)
		if err != nil {
			return nil, err
		}
		observed, err := observe(ctx, s)
		if stopped := s.stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", d.name, err)
		}
		found[d.name] = observed
	}
	return found, nil
}
