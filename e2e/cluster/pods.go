package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

const consumerName = "kafka-golang-consumer"

// waitReady waits until a deployment runs one ready pod, of its newest form only.
func (r *run) waitReady(ctx context.Context, namespace, name string) error {
	return eventually(ctx, func() error {
		var d appsv1.Deployment
		if err := r.get(ctx, "Deployment", namespace, name, &d); err != nil {
			return err
		}
		s := d.Status
		if s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == 1 && s.ReadyReplicas == 1 && s.Replicas == 1 {
			return nil
		}
		return r.whyNotReady(ctx, &d)
	})
}

// whyNotReady says what a deployment waits for, and what to do.
func (r *run) whyNotReady(ctx context.Context, d *appsv1.Deployment) error {
	pods, err := r.podsOf(ctx, d)
	if err != nil {
		return err
	}
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return fmt.Errorf("%s: the pod is not made: %s", d.Name, condition.Message)
		}
	}
	if len(pods) == 0 {
		return fmt.Errorf("%s: there is no pod yet (hint: does kube-controller-manager run?)", d.Name)
	}
	var problems []error
	for _, p := range pods {
		problems = append(problems, podProblem(&p))
	}
	return errors.Join(problems...)
}

func (r *run) podsOf(ctx context.Context, d *appsv1.Deployment) ([]corev1.Pod, error) {
	var labels []string
	for name, value := range d.Spec.Selector.MatchLabels {
		labels = append(labels, name+"="+value)
	}
	return list[corev1.Pod](ctx, r, "Pod", d.Namespace, strings.Join(labels, ","))
}

// podProblem says why a pod is not ready.
func podProblem(p *corev1.Pod) error {
	logs := fmt.Sprintf("(hint: kubectl -n %s logs %s --all-containers)", p.Namespace, p.Name)
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		waiting := c.State.Waiting
		switch {
		case waiting == nil:
		case strings.Contains(waiting.Reason, "Image"):
			return fmt.Errorf("%s: %s, image %s (hint: IMAGES says how images get to the nodes; see deploy/kubernetes/README.md)", c.Name, waiting.Reason, c.Image)
		case waiting.Reason == "CrashLoopBackOff":
			return fmt.Errorf("%s ends again and again %s", c.Name, logs)
		case waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing":
			return fmt.Errorf("%s: %s: %s", c.Name, waiting.Reason, waiting.Message)
		}
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return fmt.Errorf("%s is pending: %s (hint: kubectl get nodes; the pods request 0.3 processors and 800 MiB together)", p.Name, condition.Message)
		}
	}
	switch {
	case p.DeletionTimestamp != nil:
		return fmt.Errorf("%s is still ending", p.Name)
	case p.Spec.NodeName == "":
		return fmt.Errorf("%s is pending: no node was chosen for it (hint: kubectl get nodes; does kube-scheduler run?)", p.Name)
	case p.Status.Phase == corev1.PodPending:
		return fmt.Errorf("%s is pending on node %s: its containers were not started (hint: kubectl describe node %s)", p.Name, p.Spec.NodeName, p.Spec.NodeName)
	}
	return fmt.Errorf("%s runs and is not ready %s", p.Name, logs)
}

// consumerPod returns the consumer's only pod.
func (r *run) consumerPod(ctx context.Context) (*corev1.Pod, error) {
	return r.onlyPod(ctx, r.cfg.Namespace, consumerName)
}

func (r *run) onlyPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	pods, err := list[corev1.Pod](ctx, r, "Pod", namespace, "app.kubernetes.io/name="+name)
	if err != nil {
		return nil, err
	}
	if len(pods) != 1 {
		return nil, fmt.Errorf("%s has %d pods, want 1", name, len(pods))
	}
	return &pods[0], nil
}
