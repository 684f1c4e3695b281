package producer

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/kafkaconf"
)

// Without it a person who stops a producer that never reached Kafka would not know that nothing was sent.
func TestEndBeforeKafkaIsReached(t *testing.T) {
	t.Parallel()
	cfg := Config{Settings: kafkaconf.Settings{Brokers: []string{"127.0.0.1:1"}}, Topic: "t", Format: envelope.FormatRSA, PublicKey: rsaPEM(t, 2048)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lines := strings.NewReader("a\nb\n")
	sum, err := Run(ctx, cfg, Build{}, lines, slog.New(slog.DiscardHandler))
	if !errors.Is(err, context.Canceled) || sum != (Summary{}) || lines.Len() != 4 {
		t.Fatalf("got %+v, %v, %d bytes of the input left", sum, err, lines.Len())
	}
	for _, want := range []string{"nothing was sent, and no line of the input was read", "hint: check BROKERS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
	if _, err := Run(ctx, cfg, Build{}, nil, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "input") {
		t.Errorf("without an input: %v", err)
	}
}
