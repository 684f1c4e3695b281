package cluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without this somebody without a cluster would not learn how to get one, and a script could take that for a failed check.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	for name, kubeconfig := range map[string]string{
		"no file":          "",
		"no context":       "apiVersion: v1\nkind: Config\n",
		"nobody answers":   "apiVersion: v1\nkind: Config\ncurrent-context: kind-x\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\ncontexts: [{name: kind-x, context: {cluster: c}}]\n",
		"unknown context":  "apiVersion: v1\nkind: Config\ncurrent-context: gone\n",
		"not a kubeconfig": "]",
	} {
		file := filepath.Join(t.TempDir(), "config")
		if kubeconfig != "" {
			if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, status := tryOut(t, file)
		if status != 3 || !strings.Contains(out, "no cluster answers") || !strings.Contains(out, "kind create cluster") || strings.Contains(out, "result") {
			t.Errorf("%s: status %d, %s", name, status, out)
		}
	}
	if out, status := tryOut(t, "", "-nonsense"); status != 2 || !strings.Contains(out, "(hint: ") {
		t.Errorf("status %d, %s", status, out)
	}
}
