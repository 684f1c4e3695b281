package kubernetes

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// PretendNode adds a node that runs nothing, and says of each pod that it runs and is ready. So it shows what a client makes
// of ready pods, and nothing of what they do.
func (c *Cluster) PretendNode(t *testing.T) {
	t.Helper()
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{name: "pretended", client: client}
	if err := n.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = n.pretend(ctx) //nolint:errcheck // it is tried again
			time.Sleep(200 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

type node struct {
	name   string
	client dynamic.Interface
}

func (n *node) resource(name string) dynamic.NamespaceableResourceInterface {
	return n.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: name})
}

func (n *node) apply(ctx context.Context, client dynamic.ResourceInterface, name, text string, subresources ...string) error {
	force := true
	_, err := client.Patch(ctx, name, types.ApplyPatchType, []byte(text), metav1.PatchOptions{FieldManager: "pretended-node", Force: &force}, subresources...)
	return err
}

func (n *node) join(ctx context.Context) error {
	if err := n.apply(ctx, n.resource("nodes"), n.name, fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":%q}}`, n.name)); err != nil {
		return err
	}
	return n.report(ctx)
}

// report is the node's sign of life.
func (n *node) report(ctx context.Context) error {
	now := time.Now().UTC().Format(time.RFC3339)
	return n.apply(ctx, n.resource("nodes"), n.name, fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":%q},"status":{
		"allocatable":{"cpu":"8","memory":"16Gi","pods":"110"},"capacity":{"cpu":"8","memory":"16Gi","pods":"110"},
		"addresses":[{"type":"InternalIP","address":"192.0.2.1"}],
		"conditions":[{"type":"Ready","status":"True","reason":"Pretended","message":"","lastHeartbeatTime":%[2]q,"lastTransitionTime":%[2]q}]}}`, n.name, now), "status")
}

// pretend reports, removes pods that were deleted, and calls the others ready.
func (n *node) pretend(ctx context.Context) error {
	if err := n.report(ctx); err != nil {
		return err
	}
	pods, err := n.resource("pods").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + n.name})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		client := n.resource("pods").Namespace(pod.GetNamespace())
		if pod.GetDeletionTimestamp() != nil {
			if err := client.Delete(ctx, pod.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
				return err
			}
			continue
		}
		now := time.Now().UTC().Format(time.RFC3339)
		if err := n.apply(ctx, client, pod.GetName(), fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"uid":%q},"status":{"phase":"Running","podIP":"192.0.2.2","podIPs":[{"ip":"192.0.2.2"}],
			"conditions":[{"type":"Ready","status":"True","lastTransitionTime":%[3]q},{"type":"ContainersReady","status":"True","lastTransitionTime":%[3]q}]}}`, pod.GetName(), pod.GetUID(), now), "status"); err != nil {
			return err
		}
	}
	return nil
}
