package cluster_test

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/kubernetes"
)

var controlPlane = flag.String("kubernetes", "", "the program of tools/kubernetes; without it the tests on a real API server are left out")

const namespace = "kafka-e2ee-test"

// startControlPlane starts the real API server and controllers.
func startControlPlane(t *testing.T) *kubernetes.Cluster {
	t.Helper()
	if *controlPlane == "" {
		harness.LeaveOut(t, "make test-kubernetes")
	}
	return kubernetes.Start(t, *controlPlane)
}

// tryOut runs the program on a cluster, as make cluster-test does.
func tryOut(t *testing.T, kubeconfig string, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command(harness.BuildCommand(t, "kafka-e2ee/e2e/cluster/cmd/cluster-test"), args...)
	cmd.Dir = harness.Path(t, ".")
	cmd.Env = []string{"KUBECONFIG=" + kubeconfig, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "PRIVATE KEY") {
		t.Error("the output holds a private key")
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// row finds the result of a check in the table.
func row(t *testing.T, table, check, result string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(check) + ` +` + result + ` .*$`).FindString(table)
	if line == "" {
		t.Errorf("no row says that %q is %s:\n%s", check, result, table)
	}
	return line
}

func namespaces(t *testing.T, c *kubernetes.Cluster) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
}

func gone(t *testing.T, c *kubernetes.Cluster) {
	t.Helper()
	for _, name := range []string{namespace, namespace + "-outside"} {
		if _, err := namespaces(t, c).Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("namespace %s is left: %v", name, err)
		}
	}
}

// Without this the program could call a cluster good in which nothing runs, or leave things behind in it.
func TestClusterWithoutNodes(t *testing.T) {
	c := startControlPlane(t)
	out, status := tryOut(t, c.Kubeconfig, "-confirm", c.Context, "-images", "present", "-wait", "60s")
	t.Logf("\n%s", out)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	row(t, out, "the cluster has nodes", "FAILED")
	row(t, out, "namespaces made, level restricted enforced", "ok")
	row(t, out, "a privileged pod is refused", "ok")
	if line := row(t, out, "pods of overlay ordinary run and are ready", "FAILED"); !strings.Contains(line, "is pending: no nodes available") {
		t.Errorf("it does not say why: %s", line)
	}
	row(t, out, "with the sidecar: key released, decrypted", "not reached")
	row(t, out, "cleaned up", "ok")
	gone(t, c)
}

// Without this somebody could try a cluster that they did not mean, or lose a namespace of theirs.
func TestClusterOfOthers(t *testing.T) {
	c := startControlPlane(t)
	for _, args := range [][]string{{"-images", "present"}, {"-images", "present", "-confirm", "another"}, {"-images", "present", "-confirm", c.Context, "-namespace", "kube-public"}} {
		if out, status := tryOut(t, c.Kubeconfig, args...); status != 2 || strings.Contains(out, "result") {
			t.Errorf("%q: status %d, %s", args, status, out)
		}
	}
	gone(t, c)
	theirs := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace + "-outside"}}}
	made, err := namespaces(t, c).Create(t.Context(), theirs, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, status := tryOut(t, c.Kubeconfig, "-confirm", c.Context, "-images", "present", "-wait", "60s")
	if line := row(t, out, "namespaces made, level restricted enforced", "FAILED"); status != 1 || !strings.Contains(line, "there already") {
		t.Errorf("status %d, %s", status, line)
	}
	row(t, out, "cleaned up", "ok")
	left, err := namespaces(t, c).Get(t.Context(), namespace+"-outside", metav1.GetOptions{})
	if err != nil || left.GetUID() != made.GetUID() || left.GetDeletionTimestamp() != nil {
		t.Errorf("the namespace that was there: %v, %v", left, err)
	}
	if _, err := namespaces(t, c).Get(t.Context(), namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("namespace %s is left: %v", namespace, err)
	}
}

// Without this the program could believe a node that calls everything ready.
func TestClusterWithPretendedNode(t *testing.T) {
	c := startControlPlane(t)
	c.PretendNode(t)
	out, status := tryOut(t, c.Kubeconfig, "-confirm", c.Context, "-images", "present", "-wait", "60s")
	t.Logf("\n%s", out)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	row(t, out, "the cluster has nodes", "ok")
	row(t, out, "pods of overlay ordinary run and are ready", "ok")
	row(t, out, "the page answers through the Service", "FAILED")
	row(t, out, "without a sidecar: no key, ciphertext", "not reached")
	row(t, out, "cleaned up", "ok")
	gone(t, c)
}
