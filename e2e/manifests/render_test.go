// Package manifests_test renders what is in deploy/kubernetes and checks it as the API server would, and for the
// rules that make it work.
package manifests_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	deploy   = "../../deploy"
	root     = deploy + "/kubernetes"
	settings = "components/settings/settings.env"
	keyFile  = "components/settings/kafka-encryption-demo-pub.pem"

	kataCC   = "overlays/kata-cc"
	aci      = "overlays/confidential-aci"
	coco     = "overlays/coco"
	ordinary = "overlays/ordinary"

	debug     = "-debug"     // of an overlay: people may look inside
	genpolicy = "-genpolicy" // of an overlay: the input of its policy's generator
)

// measured are the files, of the overlays that have one, that hold what the hardware measures, and the annotations that
// they go into.
var measured = map[string]struct{ file, annotation string }{
	kataCC: {"policy.base64", "io.katacontainers.config.agent.policy"},
	aci:    {"policy.base64", "microsoft.containerinstance.virtualnode.ccepolicy"},
	coco:   {"initdata.base64", "io.katacontainers.config.hypervisor.cc_init_data"},
}

// generatedPolicy is as long as a policy can get: annotations hold at most 256 KiB.
var generatedPolicy = strings.Repeat("cG9saWN5", 25_000)

// render builds one kustomization from a copy of the tree in which some files have other contents.
func render(t *testing.T, kustomization string, instead map[string]string) string {
	t.Helper()
	memory := filesys.MakeFsInMemory()
	tree := os.DirFS(deploy)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if other, ok := instead[strings.TrimPrefix(name, "kubernetes/")]; ok {
			content = []byte(other)
		}
		return memory.WriteFile(path.Join("/tree", name), content)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range instead {
		if _, err := fs.Stat(tree, path.Join("kubernetes", name)); err != nil {
			t.Fatalf("replacing a file that is not there: %v", err)
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, path.Join("/tree/kubernetes", kustomization))
	if err != nil {
		t.Fatalf("building %s: %v", kustomization, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// filledIn is what a user replaces before a deployment.
func filledIn(t *testing.T) map[string]string {
	t.Helper()
	key, err := onePublicKey()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		settings: strings.NewReplacer(
			"registry.example/kafka-e2ee/", "registry.test/team/",
			"myKeyVault.vault.azure.net", "vault.test",
			"sharedeus2.eus2.test.attest.azure.net", "attestation.test",
			"=set-IDENTITY_CLIENT_ID", "=00000000-0000-0000-0000-000000000001",
			"=set-SOURCE_RANGE", "=203.0.113.7/32",
			"=set-KAFKA_ADDRESS", "=192.0.2.9",
			"set-KBS_URL.example", "kbs.test",
			"=set-NAMESPACE.", "=demo.",
			"=set-PRODUCER_IDENTITY_CLIENT_ID", "=00000000-0000-0000-0000-000000000002",
			"=set-PAGE_HOST.example", "=page.test",
		).Replace(read(t, settings)),
		keyFile: key,
	}
	for kustomization, m := range measured {
		files[path.Join(kustomization, m.file)] = generatedPolicy
		files[path.Join(kustomization+debug, m.file)] = generatedPolicy
	}
	return files
}

// onePublicKey serves all tests, since making one takes longer than they do.
var onePublicKey = sync.OnceValues(publicKey)

func publicKey() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// overlay renders, filled in, what a user deploys.
func overlay(t *testing.T, kustomization string) (string, *cluster) {
	t.Helper()
	text := render(t, kustomization, filledIn(t))
	c, err := decode(text)
	if err != nil {
		t.Fatalf("%s: %v", kustomization, err)
	}
	c.choice = ships(t, kustomization)
	return text, c
}
