package azure_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/e2e/azure/standin"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/lab/cloud"
)

// shell is a user's shell with the stand-ins, and the user's settings.
type shell struct {
	t      *testing.T
	world  *standin.World
	socket string // of the stand-in
	dir    string
	vault  string
	given  map[string]string
}

// emulatedCloud returns an emulated cloud with that vault, for one test at a time. The next one uses it again, since starting
// one takes longer than most tests.
func emulatedCloud(t *testing.T, vaultHost string) *cloud.Cloud {
	t.Helper()
	azureClouds.Lock()
	defer azureClouds.Unlock()
	free := azureClouds.free[vaultHost]
	var c *cloud.Cloud
	if len(free) > 0 {
		c, azureClouds.free[vaultHost] = free[0], free[1:]
	} else {
		var err error
		if c, err = cloud.New(cloud.Config{AttestationHost: harness.AttestationHost, VaultHost: vaultHost, Listen: "127.0.0.1:0", ListenMetadata: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		azureClouds.Lock()
		defer azureClouds.Unlock()
		azureClouds.free[vaultHost] = append(azureClouds.free[vaultHost], c)
	})
	return c
}

var azureClouds = struct {
	sync.Mutex
	free map[string][]*cloud.Cloud // by vault
}{free: map[string][]*cloud.Cloud{}}

func newShell(t *testing.T, vaultHost string) *shell {
	t.Helper()
	harness.Require(t, harness.JQ, harness.OpenSSL)
	// The program stands in for az, kubectl, helm, docker and curl.
	program := harness.BuildCommand(t, "kafka-e2ee/e2e/azure/standin/cmd/standin")
	s := &shell{t: t, dir: t.TempDir(), vault: vaultHost}
	s.world = standin.New(emulatedCloud(t, vaultHost), harness.AttestationHost, vaultHost)
	if err := s.world.ForgetKeys(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"az", "kubectl", "helm", "docker", "curl"} {
		if err := os.Symlink(program, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// The name of a socket is short, at most 104 characters on some systems, and a test's folder has the test's name in
	// it.
	sockets, err := os.MkdirTemp("", "az") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	s.socket = filepath.Join(sockets, "s")
	stop, err := s.world.Listen(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stop(), os.RemoveAll(sockets)); err != nil {
			t.Error(err)
		}
	})
	s.given = map[string]string{
		"SUBSCRIPTION": standin.Subscription, "LOCATION": "eastus", "RESOURCE_GROUP": "demo", "PLATFORM": "kata-cc", "CLUSTER_IS": "new", "CLUSTER": "mine", "NODE_POOL": "katacc",
		"NODE_SIZE": "Standard_DC8as_cc_v5", "NODE_COUNT": "1", "KUBERNETES_VERSION": "", "VIRTUAL_NODES_VERSION": "1.3406.26050102", "REGISTRY": "demoimages", "IMAGE_TAG": "1", "IDENTITY": "pod-identity",
		"ATTESTATION_HOST": "", "ATTESTATION_NAME": "attest", "VAULT_HOST": vaultHost, "KEY_NAME": harness.KeyName, "KEY_STEPS": "one", "KAFKA": "strimzi", "KAFKA_TLS": "yes", "KAFKA_ADDRESS": "10.1.255.250", "EVENT_HUBS": "", "PAGE_USER": "", "PAGE_NAME": "demo-page", "PRINCIPAL": "", "SOURCE_RANGE": "203.0.113.7/32", "VIEWER_NAMESPACE": "None", "STRICT": "no", "WAIT_MINUTES": "1",
	}
	return s
}

// run runs a script of deploy/azure with the current settings.
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
	command := exec.Command(harness.Path(s.t, "deploy/azure/"+script), args...)
	command.Dir = s.dir
	command.Env = append(s.env(), "POLL_SECONDS=0", "AZURE_SETTINGS="+filepath.Join(s.dir, "env"), "AZURE_STATE="+filepath.Join(s.dir, "state"))
	out, err := command.CombinedOutput()
	return string(out), err
}

// env returns the environment in which commands are the stand-in's.
func (s *shell) env() []string {
	return []string{"PATH=" + s.dir + ":" + os.Getenv("PATH"), "HOME=" + s.dir, "STANDIN_SOCKET=" + s.socket}
}

// must runs a script, which has to succeed.
func (s *shell) must(script string, args ...string) string {
	s.t.Helper()
	out, err := s.run(script, args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// resources returns all objects except those in this machine's Docker.
func (s *shell) resources() []string {
	return slices.DeleteFunc(s.world.Objects(), func(id string) bool { return strings.HasPrefix(id, "docker/") })
}

// platforms are the settings with which each way through the scripts is tested, apart from kata-cc's.
var platforms = map[string]map[string]string{
	"confidential-aci":            {"PLATFORM": "confidential-aci", "NODE_SIZE": "Standard_D8s_v5", "KUBERNETES_VERSION": "1.34", "PAGE_USER": pageUser},
	"confidential-aci-event-hubs": {"PLATFORM": "confidential-aci", "NODE_SIZE": "Standard_D8s_v5", "KAFKA": "event-hubs", "EVENT_HUBS": "demo-events", "PAGE_USER": pageUser, "KEY_STEPS": "two"},
	"container-group":             {"PLATFORM": "container-group", "KAFKA": "event-hubs", "EVENT_HUBS": "demo-events", "SOURCE_RANGE": "0.0.0.0/0", "PAGE_USER": pageUser},
	"container-group-own-kafka":   {"PLATFORM": "container-group", "KAFKA": "kafka.example.com:9093,kafka2.example.com:9093", "SOURCE_RANGE": "0.0.0.0/0", "PAGE_USER": pageUser, "STRICT": "yes"},
}

// pageUser signs in with the password "password".
const pageUser = "alice:$2y$10$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK"
