package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

// newRun returns a run that has not looked at a cluster, in the repository's root.
func newRun(t *testing.T) *run {
	t.Helper()
	t.Chdir("../..")
	s, err := makeSecrets()
	if err != nil {
		t.Fatal(err)
	}
	return &run{
		cfg: Config{Namespace: "trial"}, secrets: s,
		images: images{consumer: "r.test/consumer:1", producer: "r.test/producer:1", lab: "r.test/lab:1", kafka: "r.test/kafka:1"},
	}
}

// deployments renders a kustomization and returns its deployments by name.
func (r *run) deployments(t *testing.T, name, namespace string) map[string]*appsv1.Deployment {
	t.Helper()
	objects, err := r.render(name, namespace)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*appsv1.Deployment{}
	for _, object := range objects {
		if _, err := resources(object.GetKind()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := object.GetNamespace(); got != namespace && (object.GetKind() != "Namespace" || object.GetName() != namespace) {
			t.Errorf("%s: %s %s is in namespace %q", name, object.GetKind(), object.GetName(), got)
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		for _, placeholder := range []string{"set-", "set by", "registry.example", "MIIBojAN***AE="} {
			if bytes.Contains(text, []byte(placeholder)) {
				t.Errorf("%s: %s %s has %q", name, object.GetKind(), object.GetName(), placeholder)
			}
		}
		if object.GetKind() == "Deployment" {
			d := new(appsv1.Deployment)
			if err := json.Unmarshal(text, d); err != nil {
				t.Fatal(err)
			}
			found[d.Name] = d
		}
	}
	return found
}

// Without this a run could touch another namespace than its own, or need a cluster that allows its pods more than the
// manifests promise.
func TestRenderedPods(t *testing.T) {
	r := newRun(t)
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{ordinary: 4, confidential: 4, tampered: 4, stranger: 1} {
		all := r.deployments(t, name, "trial")
		if len(all) != want {
			t.Errorf("%s: %d deployments, want %d", name, len(all), want)
		}
		for _, d := range all {
			level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			if result := podsecurity.AggregateCheckResults(evaluator.EvaluatePod(level, &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec)); !result.Allowed {
				t.Errorf("%s: %s: %s", name, d.Name, result.ForbiddenDetail())
			}
		}
	}
}

// Without this the experiment could compare pods that differ in more than the sidecar, or in nothing.
func TestFormsOfTheConsumer(t *testing.T) {
	r := newRun(t)
	forms := map[string]corev1.PodSpec{}
	for _, name := range []string{ordinary, confidential, tampered} {
		forms[name] = r.deployments(t, name, "trial")[consumerName].Spec.Template.Spec
	}
	if len(forms[ordinary].InitContainers) != 0 || len(forms[confidential].InitContainers) != 1 {
		t.Fatal("want the sidecar in the confidential form only")
	}
	copyOf := func(form string) *corev1.PodSpec {
		pod := forms[form]
		return pod.DeepCopy()
	}
	changed := copyOf(tampered)
	args := changed.InitContainers[0].Args
	if args[len(args)-1] != "-tampered" {
		t.Fatalf("the sidecar of the changed pod has %q", args)
	}
	changed.InitContainers[0].Args = args[:len(args)-1]
	same := func(a, b any) bool {
		left, err := json.Marshal(a)
		right, problem := json.Marshal(b)
		return err == nil && problem == nil && bytes.Equal(left, right)
	}
	if !same(changed, forms[confidential]) {
		t.Error("the changed pod differs in more than that")
	}
	withoutKeys := copyOf(confidential)
	withoutKeys.InitContainers, withoutKeys.Volumes = nil, nil
	c := &withoutKeys.Containers[0]
	c.VolumeMounts = nil
	c.Env = withoutAdded(c.Env)
	if !same(withoutKeys, forms[ordinary]) {
		t.Error("the confidential form differs from overlay ordinary in more than the sidecar and its files")
	}
}

func withoutAdded(env []corev1.EnvVar) (left []corev1.EnvVar) {
	for _, e := range env {
		if e.Name != "ATTESTATION_CA_FILE" && e.Name != "RELEASE_POLICY_FILE" && e.Name != "WEB_NOTICE" {
			left = append(left, e)
		}
	}
	return left
}

// Without this a run could start in somebody's production, or be impossible without a terminal.
func TestConfirmation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		context, server, given string
		ok                     bool
	}{
		{"kind-kind", "https://127.0.0.1:6443", "", true},
		{"kind-kind", "https://127.0.0.1:6443", "other", false},
		{"k3d-x", "https://0.0.0.0:6443", "", true},
		{"minikube", "https://192.168.49.2:8443", "", true},
		{"kind-prod", "https://203.0.113.9", "", false},
		{"kind-prod", "https://kind.example", "", false},
		{"minikube2", "https://127.0.0.1", "", false},
		{"production", "https://127.0.0.1", "", false},
		{"production", "https://p.example", "production", true},
		{"production", "https://p.example", "staging", false},
	} {
		err := target{context: test.context, server: test.server}.confirm(test.given, strings.NewReader(test.context+"\n"), new(bytes.Buffer))
		if (err == nil) != test.ok {
			t.Errorf("%+v: %v", test, err)
		}
	}
	for name, ok := range map[string]bool{"kafka-e2ee-test": true, "default": false, "": false, "kube-system": false, "openshift-x": false, strings.Repeat("a", 60): false} {
		if err := checkNamespace(name); (err == nil) != ok {
			t.Errorf("namespace %q: %v", name, err)
		}
	}
}

// Without this the nodes could look for images that nobody brought there.
func TestImages(t *testing.T) {
	t.Chdir("../..")
	for _, test := range []struct {
		context, given  string
		consumer, loads string
		ok              bool
	}{
		{"kind-dev", "", "kafka-e2ee/consumer:1", "dev", true},
		{"k3d-dev", "", "kafka-e2ee/consumer:1", "dev", true},
		{"minikube", "", "kafka-e2ee/consumer:1", "minikube", true},
		{"default", "k3s", "kafka-e2ee/consumer:1", "k3s", true},
		{"profile", "minikube", "kafka-e2ee/consumer:1", "profile", true},
		{"kind-dev", "present", "kafka-e2ee/consumer:1", "", true},
		{"aks", "registry.example/team/", "registry.example/team/consumer:1", "", true},
		{"aks", "", "", "", false},
		{"aks", "kind", "", "", false},
		{"aks", "nonsense", "", "", false},
	} {
		i, err := chooseImages(t.Context(), Config{Images: test.given, Tag: "1"}, target{context: test.context})
		loads := ""
		if i.load != nil {
			loads = i.load[len(i.load)-1]
		}
		if (err == nil) != test.ok || i.consumer != test.consumer || loads != test.loads {
			t.Errorf("%+v: %+v, %v", test, i, err)
		}
	}
}

// Without this the table could call a run good in which a check failed or was left out.
func TestTable(t *testing.T) {
	t.Parallel()
	out := new(bytes.Buffer)
	for _, test := range []struct {
		results []result
		ok      bool
	}{{[]result{passed, notEnforced}, true}, {[]result{passed, failed}, false}, {[]result{passed, notReached}, false}} {
		table := &table{out: out}
		table.start()
		for _, r := range test.results {
			table.add("a check", r, time.Second, "a note")
		}
		if err := table.end(); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrFailed) {
			t.Errorf("%q: %v", test.results, err)
		}
	}
}

// Without this the reader of a failed check would not learn what to do.
func TestReasonsOfPods(t *testing.T) {
	t.Parallel()
	waiting := func(reason string) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: "c", Image: "i", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}}
	}
	for says, status := range map[string]corev1.PodStatus{
		"IMAGES":                      waiting("ErrImagePull"),
		"ends again and again":        waiting("CrashLoopBackOff"),
		"CreateContainerConfigError":  waiting("CreateContainerConfigError"),
		"its containers were not":     waiting("ContainerCreating"),
		"0/1 nodes are available":     {Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}},
		"runs and is not ready (hint": {Phase: corev1.PodRunning},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}, Status: status}
		if err := podProblem(pod); !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
