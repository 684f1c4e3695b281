package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/e2e/standin"
	"kafka-e2ee/lab/cloud"
)

// shell is a person's shell with the stand-ins in it, and that person's settings.
type shell struct {
	t     *testing.T
	world *standin.World
	dir   string
	vault string
	given map[string]string
}

// standinCommand builds what stands in for az, kubectl, docker and curl, once.
var standinCommand = sync.OnceValues(func() (string, error) {
	out, err := filepath.Abs("../.cache/e2e/standin")
	if err != nil {
		return "", err
	}
	if text, err := exec.Command("go", "build", "-o", out, "kafka-e2ee/e2e/standin/cmd/standin").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the stand-in: %w: %s", err, text)
	}
	return out, nil
})

// azureCloud is the emulated cloud with that vault, for one test after the other: making one takes longer than most tests.
func azureCloud(vaultHost string) (*cloud.Cloud, error) {
	if c := azureClouds[vaultHost]; c != nil {
		return c, nil
	}
	c, err := cloud.New(cloud.Config{AttestationHost: labMAA, VaultHost: vaultHost, Listen: "127.0.0.1:0", ListenMetadata: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	azureClouds[vaultHost] = c
	return c, c.Start(context.Background())
}

var azureClouds = map[string]*cloud.Cloud{}

func newShell(t *testing.T, vaultHost string) *shell {
	t.Helper()
	need(t, jq, openssl)
	program, err := standinCommand()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: t.TempDir(), vault: vaultHost}
	emulated, err := azureCloud(vaultHost)
	if err != nil {
		t.Fatal(err)
	}
	s.world = standin.New(emulated, labMAA, vaultHost)
	if err := s.world.ForgetKeys(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"az", "kubectl", "docker", "curl"} {
		if err := os.Symlink(program, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// A socket's name is short, at most 104 characters on some systems, and a test's folder has the test's name in it.
	sockets, err := os.MkdirTemp("", "az") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	stop, err := s.world.Listen(filepath.Join(sockets, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := os.RemoveAll(sockets); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("STANDIN_SOCKET", filepath.Join(sockets, "s"))
	s.given = map[string]string{
		"SUBSCRIPTION": standin.Subscription, "LOCATION": "eastus", "RESOURCE_GROUP": "demo", "CLUSTER_IS": "new", "CLUSTER": "mine", "NODE_POOL": "katacc",
		"NODE_SIZE": "Standard_DC8as_cc_v5", "NODE_COUNT": "1", "KUBERNETES_VERSION": "", "REGISTRY": "demoimages", "IMAGE_TAG": "1", "IDENTITY": "pod-identity",
		"ATTESTATION_HOST": "", "ATTESTATION_NAME": "attest", "VAULT_HOST": vaultHost, "KEY_NAME": keyName, "PRINCIPAL": "", "SOURCE_RANGE": "203.0.113.7/32", "WAIT_MINUTES": "1",
	}
	return s
}

// run runs a script of deploy/azure with the settings as they are now.
func (s *shell) run(script string, args ...string) (string, error) {
	s.t.Helper()
	var settings strings.Builder
	for name, value := range s.given {
		fmt.Fprintf(&settings, "%s=%s\n", name, value)
	}
	return s.runWith(settings.String(), script, args...)
}

func (s *shell) runWith(settings, script string, args ...string) (string, error) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "env"), []byte(settings), 0o600); err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(repository(s.t, "deploy/azure/"+script), args...)
	command.Dir = s.dir
	command.Env = []string{
		"PATH=" + s.dir + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "STANDIN_SOCKET=" + os.Getenv("STANDIN_SOCKET"), "POLL_SECONDS=0",
		"AZURE_SETTINGS=" + filepath.Join(s.dir, "env"), "AZURE_STATE=" + filepath.Join(s.dir, "state"),
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

// must runs a script that has to succeed.
func (s *shell) must(script string, args ...string) string {
	s.t.Helper()
	out, err := s.run(script, args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// resources are the objects but for those of this machine's Docker.
func (s *shell) resources() []string {
	return slices.DeleteFunc(s.world.Objects(), func(id string) bool { return strings.HasPrefix(id, "docker/") })
}
