package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"kafka-e2ee/lab/timeline"
	"kafka-e2ee/web"
)

// podReleased is the state of a pod that has its key.
const podReleased = string(web.KeyReleased)

const (
	watchInterval = 250 * time.Millisecond
	maxAnswer     = 8 << 20 // bytes
)

// watchPod passes what the confidential pod says of its key to the timeline, until ctx ends.
func (d *demo) watchPod(ctx context.Context, _ *slog.Logger) error {
	for {
		if pod, err := d.askKey(ctx); err == nil {
			d.timeline.OnPod(pod)
			if id := d.timeline.Awaited(); id != "" && pod.State == podReleased && d.hasOpened(ctx, id) {
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

// askKey asks the confidential pod's page for the state of its key.
func (d *demo) askKey(ctx context.Context) (timeline.Pod, error) {
	var answer struct {
		timeline.Pod
		NextAttempt string `json:"next_attempt"`
	}
	if err := d.askPod(ctx, "/api/key", &answer); err != nil {
		return timeline.Pod{}, err
	}
	pod := answer.Pod
	if next, err := time.Parse(time.RFC3339, answer.NextAttempt); err == nil {
		pod.NextAttempt = next
	}
	return pod, nil
}

// hasOpened reports whether a record that the key opened is among the pod's newest.
func (d *demo) hasOpened(ctx context.Context, keyID string) bool {
	var answer struct {
		Records []struct {
			KeyID string `json:"key_id"`
		}
	}
	if d.askPod(ctx, "/api/records?state=decrypted&limit=20", &answer) != nil {
		return false
	}
	for _, record := range answer.Records {
		if record.KeyID == keyID {
			return true
		}
	}
	return false
}

// checkAgain presses "check again" on the confidential pod's page. A pod that does not answer yet asks by itself soon.
func (d *demo) checkAgain(ctx context.Context) {
	if response, err := d.callPod(ctx, http.MethodPost, "/api/key/check"); err == nil {
		_ = response.Body.Close() //nolint:errcheck // the body is not read
	}
}

func (d *demo) askPod(ctx context.Context, path string, into any) error {
	response, err := d.callPod(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the confidential pod: got status %d, want %d", response.StatusCode, http.StatusOK)
	}
	return json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into)
}

// callPod follows no redirect, and uses no proxy.
func (d *demo) callPod(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+d.addrs.confidential+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return d.pod.RoundTrip(request)
}
