// Package measure attacks records in each format, as Kafka's operator can, and measures what a pod makes of it. The attacks
// are those of package attacks, the producer and the pod are the real programs.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/broker"
)

// attackedPartitions is how many partitions an attacked topic has. An attack moves records between them.
const attackedPartitions = 2

// Publish measures on an embedded broker. It prints what became of the attacks, and writes it into the documents.
func Publish(ctx context.Context, out io.Writer, documents []string) error {
	kafka, err := broker.Start()
	if err != nil {
		return err
	}
	defer kafka.Close()
	createTopic := func(name string) error { return kafka.CreateTopic(name, attackedPartitions, nil) }
	board, err := Attacks(ctx, kafka.ListenAddrs(), createTopic, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, file := range documents {
		text, err := os.ReadFile(file) //nolint:gosec // the caller names it
		if err == nil {
			text, err = board.Update(text)
		}
		if err == nil {
			err = os.WriteFile(file, text, 0o600) //nolint:gosec // the caller names it; it keeps its mode
		}
		if err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, board.String())
	return err
}

// Attacks does every attack to every defence, each on a topic of its own, which createTopic must create with at
// least two partitions.
func Attacks(ctx context.Context, brokers []string, createTopic func(name string) error, log *slog.Logger) (attacks.Scoreboard, error) {
	board := make(attacks.Scoreboard, len(defences()))
	columns, ctx := errgroup.WithContext(ctx)
	if runtime.GOMAXPROCS(0) <= 2 {
		columns.SetLimit(1) // a pod that is slow would see records late, which is what some attacks look like
	}
	for i, d := range defences() {
		columns.Go(func() error {
			observed, err := measure(ctx, brokers, createTopic, d, log)
			if err != nil {
				return fmt.Errorf("measuring %s: %w", d.name, err)
			}
			board[i] = attacks.Column{Name: d.name, Observed: observed}
			return nil
		})
	}
	return board, columns.Wait()
}

// measure does every attack to one defence.
func measure(ctx context.Context, brokers []string, createTopic func(name string) error, d defence, log *slog.Logger) (all []attacks.Observation, err error) {
	if err := createTopic(d.topic); err != nil {
		return nil, fmt.Errorf("creating the topic: %w", err)
	}
	v, err := newVictim(ctx, brokers, d, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.stop()) }()
	if err := attacks.Ready(ctx, v.target); err != nil {
		return nil, err
	}
	for _, a := range attacks.All() {
		o, err := a.Run(ctx, v.target)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}
