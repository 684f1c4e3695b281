package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// owner is this program's name among those that set the objects' fields.
const owner = "kafka-e2ee-cluster-test"

// resources returns the API's name of a kind.
func resources(kind string) (schema.GroupVersionResource, error) {
	switch kind {
	case "Namespace", "ServiceAccount", "ConfigMap", "Secret", "Service", "Pod", "Node":
		plural := map[string]string{
			"Namespace": "namespaces", "ServiceAccount": "serviceaccounts", "ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "Pod": "pods", "Node": "nodes",
		}
		return schema.GroupVersionResource{Version: "v1", Resource: plural[kind]}, nil
	case "Deployment":
		return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, nil
	case "NetworkPolicy":
		return schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, nil
	default:
		return schema.GroupVersionResource{}, fmt.Errorf("kind %s: this program does not make it", kind)
	}
}

// of returns the objects of a kind in a namespace; empty is none.
func (r *run) of(kind, namespace string) (dynamic.ResourceInterface, error) {
	resource, err := resources(kind)
	if err != nil {
		return nil, err
	}
	if namespace == "" || kind == "Namespace" {
		return r.objects.Resource(resource), nil
	}
	return r.objects.Resource(resource).Namespace(namespace), nil
}

// apply does what kubectl apply --server-side does. Fields that the API does not know are errors.
func (r *run) apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		text, err := json.Marshal(object)
		if err != nil {
			return err
		}
		client, err := r.of(object.GetKind(), object.GetNamespace())
		if err != nil {
			return err
		}
		force := true
		options := metav1.PatchOptions{FieldManager: owner, Force: &force, FieldValidation: metav1.FieldValidationStrict}
		if _, err := client.Patch(ctx, object.GetName(), types.ApplyPatchType, text, options); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// deploy applies a kustomization of this folder.
func (r *run) deploy(ctx context.Context, name, namespace string) error {
	objects, err := r.render(name, namespace)
	if err != nil {
		return err
	}
	return r.apply(ctx, objects...)
}

// get reads one object into a struct of the API.
func (r *run) get(ctx context.Context, kind, namespace, name string, into any) error {
	client, err := r.of(kind, namespace)
	if err != nil {
		return err
	}
	object, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", kind, name, err)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into)
}

// list reads the objects of a kind that have a label.
func list[T any](ctx context.Context, r *run, kind, namespace, label string) ([]T, error) {
	client, err := r.of(kind, namespace)
	if err != nil {
		return nil, err
	}
	found, err := client.List(ctx, metav1.ListOptions{LabelSelector: label})
	if err != nil {
		return nil, fmt.Errorf("listing %ss: %w", kind, err)
	}
	all := make([]T, len(found.Items))
	for i, item := range found.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &all[i]); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", kind, item.GetName(), err)
		}
	}
	return all, nil
}

// runLabel is the label of the namespaces of one run. Its value is the run's own.
const runLabel = "kafka-e2ee/cluster-test"

// makeNamespaces makes the two namespaces. One that is there already is somebody's, perhaps an earlier run's, and stays.
func (r *run) makeNamespaces(ctx context.Context) (string, error) {
	client, err := r.of("Namespace", "")
	if err != nil {
		return "", err
	}
	// An interruption does not end this halfway: the namespace would appear after cleanUp has looked for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Wait)
	defer cancel()
	for _, name := range []string{r.cfg.Namespace, outside(r.cfg.Namespace)} {
		_, err := client.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": name, "labels": map[string]any{
				runLabel:                             r.id,
				"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest",
			}},
		}}, metav1.CreateOptions{FieldManager: owner, FieldValidation: metav1.FieldValidationStrict})
		if apierrors.IsAlreadyExists(err) {
			return "", fmt.Errorf("namespace %s is there already, and only what this run made is touched (hint: if it is left over from an earlier run, kubectl delete namespace %s; or NAMESPACE=another name)", name, name)
		}
		if err != nil {
			return "", fmt.Errorf("making namespace %s: %w", name, err)
		}
	}
	return "", nil
}

// madeNamespace is a namespace of this run, and no other one of that name.
type madeNamespace struct {
	name string
	uid  types.UID
}

// madeNamespaces looks for the namespaces that this run made, also those whose making was not confirmed.
func (r *run) madeNamespaces(ctx context.Context) (made []madeNamespace, problem error) {
	client, err := r.of("Namespace", "")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{r.cfg.Namespace, outside(r.cfg.Namespace)} {
		found, err := client.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			problem = errors.Join(problem, fmt.Errorf("looking for namespace %s: %w (hint: kubectl delete namespaces -l %s=%s)", name, err, runLabel, r.id))
		case found.GetLabels()[runLabel] == r.id:
			made = append(made, madeNamespace{name, found.GetUID()})
		}
	}
	return made, problem
}

// cleanUp deletes the namespaces that this run made, and waits until they are gone.
func (r *run) cleanUp(ctx context.Context) (string, error) {
	client, err := r.of("Namespace", "")
	if err != nil {
		return "", err
	}
	made, err := r.madeNamespaces(ctx)
	problems := []error{err}
	for _, n := range made {
		err := client.Delete(ctx, n.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &n.uid}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // gone, or made by somebody else since
			problems = append(problems, fmt.Errorf("deleting namespace %s: %w (hint: kubectl delete namespace %s)", n.name, err, n.name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return "", err
	}
	for _, n := range made {
		err := eventually(ctx, func() error {
			left, err := client.Get(ctx, n.name, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err) || err == nil && left.GetUID() != n.uid:
				return nil
			case err != nil:
				return err
			}
			return fmt.Errorf("namespace %s is still being deleted (hint: kubectl get namespace %s -o yaml says what it waits for)", n.name, n.name)
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d namespaces deleted", len(made)), nil
}

// eventually asks each second until the condition holds. It returns the last reason why it does not.
func eventually(ctx context.Context, holds func() error) error {
	for {
		err := holds()
		if err == nil || ctx.Err() != nil {
			return err
		}
		last := err
		select {
		case <-ctx.Done():
			return last
		case <-time.After(time.Second):
		}
	}
}
