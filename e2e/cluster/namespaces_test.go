package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/util/exec"
)

// Without this a connection that breaks, or Ctrl-C, while a namespace is made could leave it in the cluster, or the program
// could delete somebody else's.
func TestUnconfirmedNamespaceIsDeleted(t *testing.T) {
	t.Parallel()
	theirs := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "trial-outside", Labels: map[string]string{runLabel: "another run"}}}
	objects := fake.NewSimpleDynamicClient(scheme.Scheme, theirs)
	objects.PrependReactor("create", "namespaces", func(action clienttesting.Action) (bool, runtime.Object, error) {
		created, ok := action.(clienttesting.CreateAction)
		if !ok {
			t.Fatalf("got %T", action)
		}
		if err := objects.Tracker().Create(action.GetResource(), created.GetObject(), ""); err != nil {
			return true, nil, err
		}
		return true, nil, errors.New("the connection breaks")
	})
	r := &run{cfg: Config{Namespace: "trial", Wait: time.Minute}, objects: objects, id: "this-run"}
	if _, err := r.makeNamespaces(t.Context()); err == nil {
		t.Fatal("the making was confirmed")
	}
	namespaces, err := r.of("Namespace", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := namespaces.Get(t.Context(), "trial", metav1.GetOptions{}); err != nil {
		t.Fatalf("nothing was made: %v", err)
	}
	note, err := r.cleanUp(t.Context())
	if err != nil || note != "1 namespaces deleted" {
		t.Errorf("%q, %v", note, err)
	}
	left, err := namespaces.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 1 || left.Items[0].GetName() != "trial-outside" {
		t.Errorf("%v, %v", left, err)
	}
}

// Without this a page that answers, and whose answer breaks off, could count as one that nobody reaches.
func TestOnlyStatus1IsNoAnswer(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		exec.CodeExitError{Err: errors.New("exit"), Code: 1}: true,
		exec.CodeExitError{Err: errors.New("exit"), Code: 3}: false,
		context.DeadlineExceeded:                             false,
	} {
		if got := fetchError("p", "http://a", "", err); errors.Is(got, errNoAnswer) != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
