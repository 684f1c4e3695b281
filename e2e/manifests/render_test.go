// Package manifests_test renders deploy/kubernetes and checks it as the API server would, and against the rules that
// make it work.
package manifests_test

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"kafka-e2ee/e2e/harness"
)

const (
	deploy   = "../../deploy"
	root     = deploy + "/kubernetes"
	settings = "components/settings/settings.env"
	keyFile  = "components/settings/kafka-encryption-demo-pub.pem"

	sendersFile = "components/settings/trusted-senders.pem"
	usersFile   = "components/settings/users"

	kataCC   = "overlays/kata-cc"
	aci      = "overlays/confidential-aci"
	coco     = "overlays/coco"
	ordinary = "overlays/ordinary"

	expectedKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" // the id of the key that the consumer may use

	sourceRange = "203.0.113.7/32" // who may open the page, once the settings are filled in
	nobody      = "None"           // who may open it from inside the cluster, as shipped

	debug     = "-debug"     // of an overlay: people may look inside
	genpolicy = "-genpolicy" // suffix of an overlay's input for the policy generator
)

// measured lists the overlays' files with the hardware's measurements, and the annotations that they go into.
var measured = map[string]struct{ file, annotation string }{
	kataCC: {"policy.base64", "io.katacontainers.config.agent.policy"},
	aci:    {"policy.base64", "microsoft.containerinstance.virtualnode.ccepolicy"},
	coco:   {"initdata.base64", "io.katacontainers.config.hypervisor.cc_init_data"},
}

// generatedPolicy is as long as a policy can be: annotations hold at most 256 KiB.
var generatedPolicy = strings.Repeat("cG9saWN5", 25_000)

// render builds one kustomization from a copy of the tree, with some files replaced.
func render(t *testing.T, kustomization string, instead map[string]string) string {
	t.Helper()
	text, err := build(t, kustomization, instead)
	if err != nil {
		t.Fatalf("building %s: %v", kustomization, err)
	}
	return text
}

// build is like render, but returns kustomize's error.
func build(t *testing.T, kustomization string, instead map[string]string) (string, error) {
	t.Helper()
	memory := filesys.MakeFsInMemory()
	tree := os.DirFS(deploy)
	replaced := make(map[string]string)
	for name, content := range instead {
		name = path.Join("kubernetes", name)
		if _, err := fs.Stat(tree, name); err != nil {
			t.Fatalf("replacing a file that is not there: %v", err)
		}
		replaced[name] = content
	}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if other, ok := replaced[name]; ok {
			content = []byte(other)
		}
		return memory.WriteFile(path.Join("/tree", name), content)
	})
	if err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, path.Join("/tree/kubernetes", kustomization))
	if err != nil {
		return "", err
	}
	text, err := built.AsYaml()
	return string(text), err
}

// filledIn returns the files that a user edits before a deployment.
func filledIn(t *testing.T) map[string]string {
	t.Helper()
	made.Do(func() { made.keys = makeKeys(t) })
	files := map[string]string{
		settings: strings.NewReplacer(
			"registry.example/kafka-e2ee/", "registry.test/team/",
			"myKeyVault.vault.azure.net", "vault.test",
			"sharedeus2.eus2.test.attest.azure.net", "attestation.test",
			"=set-IDENTITY_CLIENT_ID", "=00000000-0000-0000-0000-000000000001",
			"=set-EXPECTED_KEY_IDS", "="+expectedKey,
			"=set-SOURCE_RANGE", "="+sourceRange,
			"=set-KAFKA_ADDRESS", "=192.0.2.9",
			"MONITORING_RELEASE=kube-prometheus-stack", "MONITORING_RELEASE="+monitoringRelease,
			"set-KBS_URL.example", "kbs.test",
			"=set-NAMESPACE.", "=demo.",
			"=set-PRODUCER_IDENTITY_CLIENT_ID", "=00000000-0000-0000-0000-000000000002",
			"=set-PAGE_HOST.example", "=page.test",
			"PAGE_DNS_LABEL=\n", "PAGE_DNS_LABEL=label\n",
		).Replace(read(t, settings)),
		keyFile:     made.public,
		sendersFile: made.senders,
		usersFile:   "alice:$2y$04$" + strings.Repeat("a", 53) + "\n",
	}
	for kustomization, m := range measured {
		files[path.Join(kustomization, m.file)] = generatedPolicy
		files[path.Join(kustomization+debug, m.file)] = generatedPolicy
	}
	return files
}

// keys are what a user makes before a deployment.
type keys struct {
	public  string // PEM of the reader's key
	senders string // the trusted senders
	signing string // PEM of the sender's private key
}

// made serves all tests, since making keys takes longer than they do.
var made struct {
	sync.Once
	keys
}

func makeKeys(t *testing.T) keys {
	t.Helper()
	signing, senders := harness.NewSender(t, harness.SenderName)
	text := func(file string) string {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	return keys{public: harness.PublicPEM(t, &harness.NewKey(t).PublicKey), senders: text(senders), signing: text(signing)}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// overlay renders what a user deploys, with the settings filled in.
func overlay(t *testing.T, kustomization string) (string, *cluster) {
	t.Helper()
	text := render(t, kustomization, filledIn(t))
	c, err := decode(text)
	if err != nil {
		t.Fatalf("%s: %v", kustomization, err)
	}
	c.choice = unchanged(t, kustomization)
	return text, c
}
