package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func (r *run) nodes(ctx context.Context, version string) (string, error) {
	nodes, err := list[corev1.Node](ctx, r, "Node", "", "")
	if err != nil {
		return "", err
	}
	ready := 0
	for _, n := range nodes {
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	if ready == 0 {
		return "", fmt.Errorf("none of %d nodes is ready, Kubernetes %s (hint: kubectl get nodes)", len(nodes), version)
	}
	return fmt.Sprintf("Kubernetes %s, %d of %d nodes ready", version, ready, len(nodes)), nil
}

// privilegedIsRefused asks for a pod that may do everything on its node. Nothing is made, whatever the answer.
func (r *run) privilegedIsRefused(ctx context.Context) (string, error) {
	client, err := r.of("Pod", r.cfg.Namespace)
	if err != nil {
		return "", err
	}
	_, err = client.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "privileged"},
		"spec": map[string]any{"automountServiceAccountToken": false, "containers": []any{map[string]any{
			"name": "privileged", "image": r.images.lab, "securityContext": map[string]any{"privileged": true},
		}}},
	}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil:
		return "", errors.New("it was admitted: the cluster does not enforce pod security (hint: its API server runs without the admission plugin PodSecurity)")
	case !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity"):
		return "", fmt.Errorf("it was refused for another reason: %w", err)
	}
	return "", nil
}

func (r *run) ordinaryRuns(ctx context.Context) (string, error) {
	if err := r.apply(ctx, r.secrets.object(r.cfg.Namespace)); err != nil {
		return "", err
	}
	if err := r.deploy(ctx, ordinary, r.cfg.Namespace); err != nil {
		return "", err
	}
	if err := r.deploy(ctx, stranger, outside(r.cfg.Namespace)); err != nil {
		return "", err
	}
	for _, name := range []string{"kafka", "kafka-producer", consumerName, "viewer"} {
		if err := r.waitReady(ctx, r.cfg.Namespace, name); err != nil {
			return "", err
		}
	}
	return "", r.waitReady(ctx, outside(r.cfg.Namespace), "stranger")
}

func (r *run) pageAnswers(ctx context.Context) (string, error) {
	return "http://" + r.pageHost(), eventually(ctx, func() error { return r.view(ctx, "/", nil) })
}

func (r *run) showsCiphertext(ctx context.Context) (string, error) {
	return "", r.waitShown(ctx, "unreachable", "no_key")
}

func (r *run) decrypts(ctx context.Context) (string, error) {
	return "key released, and the earlier record opened", r.become(ctx, confidential, "released", "decrypted")
}

func (r *run) tamperedIsRefused(ctx context.Context) (string, error) {
	return "", r.become(ctx, tampered, "refused", "no_key")
}

func (r *run) decryptsAgain(ctx context.Context) (string, error) {
	return "", r.become(ctx, confidential, "released", "decrypted")
}

// become deploys the consumer in another form, and waits until its page says that.
func (r *run) become(ctx context.Context, form, key, state string) error {
	if err := r.deploy(ctx, form, r.cfg.Namespace); err != nil {
		return err
	}
	return r.settle(ctx, key, state)
}

func (r *run) settle(ctx context.Context, key, state string) error {
	if err := r.waitReady(ctx, r.cfg.Namespace, consumerName); err != nil {
		return err
	}
	return r.waitShown(ctx, key, state)
}

func (r *run) survivesDeletion(ctx context.Context) (string, error) {
	pod, err := r.consumerPod(ctx)
	if err != nil {
		return "", err
	}
	client, err := r.of("Pod", r.cfg.Namespace)
	if err != nil {
		return "", err
	}
	if err := client.Delete(ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
		return "", fmt.Errorf("deleting pod %s: %w", pod.Name, err)
	}
	return "", r.afterPod(ctx, pod.UID)
}

func (r *run) survivesRollout(ctx context.Context) (string, error) {
	pod, err := r.consumerPod(ctx)
	if err != nil {
		return "", err
	}
	client, err := r.of("Deployment", r.cfg.Namespace)
	if err != nil {
		return "", err
	}
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
	if _, err := client.Patch(ctx, consumerName, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		return "", fmt.Errorf("restarting the consumer: %w", err)
	}
	return "", r.afterPod(ctx, pod.UID)
}

// afterPod waits until another pod than that one has decrypted.
func (r *run) afterPod(ctx context.Context, old types.UID) error {
	err := eventually(ctx, func() error {
		pod, err := r.consumerPod(ctx)
		if err == nil && pod.UID == old {
			return fmt.Errorf("%s was not replaced yet", pod.Name)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.settle(ctx, "released", "decrypted")
}
