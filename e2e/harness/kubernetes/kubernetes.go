// Package kubernetes runs a cluster's control plane for tests: the real etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler. There are no nodes, so pods are admitted and never run.
//
// The program that has them takes long to build: "make test-kubernetes" builds it (tools/kubernetes).
package kubernetes

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"kafka-e2ee/e2e/harness"
)

// Cluster is a running control plane.
type Cluster struct {
	Config     *rest.Config // of an administrator
	Kubeconfig string       // file for other programs
	Context    string       // in that file
}

// Start runs the programs of the given program until the test ends.
func Start(t *testing.T, program string) *Cluster {
	t.Helper()
	dir := t.TempDir()
	c := &control{t: t, program: program, dir: dir}
	etcd, peer, port := harness.FreeAddr(t), harness.FreeAddr(t), harness.FreePort(t)
	c.run("etcd", "--data-dir="+filepath.Join(dir, "etcd"), "--listen-client-urls=http://"+etcd, "--advertise-client-urls=http://"+etcd,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=default=http://"+peer, "--log-level=error")
	c.writeKeys()
	c.write("tokens.csv", "administrator,administrator,1,system:masters\n")
	c.run("kube-apiserver", "--etcd-servers=http://"+etcd, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--cert-dir="+dir,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.path("accounts.pem"), "--service-account-signing-key-file="+c.path("accounts.pem"),
		"--authorization-mode=RBAC", "--token-auth-file="+c.path("tokens.csv"), "--service-cluster-ip-range=10.0.0.0/24",
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", // a machine without a network has no address to find
		"--allow-privileged=true", // as clusters do: what refuses a privileged pod is its namespace
	)
	server := fmt.Sprintf("https://127.0.0.1:%d", port)
	config := &rest.Config{Host: server, BearerToken: "administrator", TLSClientConfig: rest.TLSClientConfig{CAFile: c.path("apiserver.crt")}, QPS: 100, Burst: 200}
	harness.Eventually(t, "the API server answers", func() bool {
		client, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			return false
		}
		text, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context())
		return err == nil && string(text) == "ok"
	})
	const context = "control-plane"
	c.write("kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: %[1]s
clusters: [{name: %[1]s, cluster: {server: %[2]q, certificate-authority: %[3]q}}]
users: [{name: %[1]s, user: {token: administrator}}]
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: %[1]s}}]
`, context, server, c.path("apiserver.crt")))
	c.run("kube-controller-manager", "--kubeconfig="+c.path("kubeconfig"), "--service-account-private-key-file="+c.path("accounts.pem"), "--leader-elect=false", "--secure-port=0")
	c.run("kube-scheduler", "--kubeconfig="+c.path("kubeconfig"), "--leader-elect=false", "--secure-port=0")
	return &Cluster{Config: config, Kubeconfig: c.path("kubeconfig"), Context: context}
}

// control starts programs in a folder.
type control struct {
	t            *testing.T
	program, dir string
}

func (c *control) path(name string) string { return filepath.Join(c.dir, name) }

func (c *control) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// writeKeys makes the key that signs the tokens of service accounts.
func (c *control) writeKeys() {
	c.t.Helper()
	key := harness.NewKeyOf(c.t, 2048)
	c.write("accounts.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

// run starts one of the programs, and ends it after the test.
func (c *control) run(name string, args ...string) {
	c.t.Helper()
	log := new(harness.LogBuffer)
	command := exec.Command(c.program, append([]string{name}, args...)...)
	command.Dir, command.Stdout, command.Stderr = c.dir, log, log
	if err := command.Start(); err != nil {
		c.t.Fatalf("starting %s: %v", name, err)
	}
	c.t.Cleanup(func() {
		_ = command.Process.Kill() //nolint:errcheck // it may have ended
		_ = command.Wait()         //nolint:errcheck // it was killed
		if c.t.Failed() {
			text := log.String()
			c.t.Logf("the end of the log of %s:\n%s", name, text[max(0, len(text)-3000):])
		}
	})
}
