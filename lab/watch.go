package lab

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/web/podstatus"
)

// podReleased is the state of a pod that has its key.
const podReleased = string(podstatus.KeyReleased)

const watchInterval = 250 * time.Millisecond

// watchPod passes what the confidential pod says of its key to the timeline, until ctx ends.
func (d *demo) watchPod(ctx context.Context, _ *slog.Logger) error {
	for {
		if key, err := d.pod.Key(ctx); err == nil {
			d.timeline.OnPod(key)
			if id := d.timeline.Awaited(); id != "" && key.State == podReleased && d.hasOpened(ctx, id) {
				d.timeline.OnOpen(id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
	}
}

// hasOpened reports whether a record that the key opened is among the pod's newest.
func (d *demo) hasOpened(ctx context.Context, keyID string) bool {
	newest, err := d.pod.Newest(ctx, 20, "decrypted")
	return err == nil && slices.ContainsFunc(newest.Records, func(r podapi.Record) bool { return r.KeyID == keyID })
}
