package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// errNoAnswer says that a pod could not connect to an address, or that nothing answered there.
var errNoAnswer = errors.New("nothing answers")

// fetchError returns what an error of the pod's command "fetch" means: its exit status is 1 only if nothing answers.
func fetchError(pod, address, problem string, err error) error {
	var code exec.CodeExitError
	if errors.As(err, &code) && code.Code == 1 {
		return fmt.Errorf("%s: %w: %s", address, errNoAnswer, strings.TrimSpace(problem))
	}
	return fmt.Errorf("fetching %s in pod %s: %w: %s", address, pod, err, strings.TrimSpace(problem))
}

// fetch gets a URL from inside one of the lab's pods, by the pod's command "fetch".
func (r *run) fetch(ctx context.Context, namespace, from, address string) (status int, body string, err error) {
	pod, err := r.onlyPod(ctx, namespace, from)
	if err != nil {
		return 0, "", err
	}
	base, _, err := rest.DefaultServerUrlFor(r.target.config)
	if err != nil {
		return 0, "", err
	}
	base = base.JoinPath("api/v1/namespaces", namespace, "pods", pod.Name, "exec")
	base.RawQuery = url.Values{"command": {"/pod", "fetch", address}, "stdout": {"true"}, "stderr": {"true"}}.Encode()
	executor, err := remotecommand.NewWebSocketExecutor(r.target.config, http.MethodGet, base.String())
	if err != nil {
		return 0, "", err
	}
	var out, problem bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &problem}); err != nil {
		return 0, "", fetchError(pod.Name, address, problem.String(), err)
	}
	first, body, _ := strings.Cut(out.String(), "\n")
	if _, err := fmt.Sscan(first, &status); err != nil {
		return 0, "", fmt.Errorf("running a command in pod %s: got no status", pod.Name)
	}
	return status, body, nil
}

// view gets an address of the page, as a viewer inside the cluster does.
func (r *run) view(ctx context.Context, path string, into any) error {
	status, body, err := r.fetch(ctx, r.cfg.Namespace, "viewer", "http://"+r.pageHost()+path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the page answers %s with status %d, want %d", path, status, http.StatusOK)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// record is what the page says of one record. Its text is not read.
type record struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	State     string `json:"state"`
}

// waitShown waits until the page says that of the key, shows the newest record in that state, and the earlier
// record, too.
func (r *run) waitShown(ctx context.Context, key, state string) error {
	return eventually(ctx, func() error {
		var k struct{ State, Reason string }
		if err := r.view(ctx, "/api/key", &k); err != nil {
			return err
		}
		if k.State != key {
			return fmt.Errorf("the state of the key is %s, want %s: %s", k.State, key, k.Reason)
		}
		var newest struct{ Records []record }
		if err := r.view(ctx, "/api/records?limit=1", &newest); err != nil {
			return err
		}
		if len(newest.Records) == 0 {
			return errors.New("the page shows no record (hint: the page and the producer's log say whether they reach Kafka)")
		}
		if got := newest.Records[0].State; got != state {
			return fmt.Errorf("the newest record is %s, want %s", got, state)
		}
		if r.record.Topic == "" {
			r.record = newest.Records[0]
			return nil
		}
		var before struct{ Record record }
		if err := r.view(ctx, fmt.Sprintf("/api/records/%s/%d/%d", r.record.Topic, r.record.Partition, r.record.Offset), &before); err != nil {
			return err
		}
		if before.Record.State != state {
			return fmt.Errorf("the record at offset %d is %s, want %s", r.record.Offset, before.Record.State, state)
		}
		return nil
	})
}
