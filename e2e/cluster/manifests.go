package cluster

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// The kustomizations of this folder.
const (
	ordinary     = "ordinary"
	confidential = "confidential"
	tampered     = "tampered"
	stranger     = "outside"
)

// The files that a user of the manifests edits.
const (
	settingsFile  = "deploy/kubernetes/components/settings/settings.env"
	publicKeyFile = "deploy/kubernetes/components/settings/kafka-encryption-demo-pub.pem"
)

// render builds one of the kustomizations for a namespace, with the settings filled in.
func (r *run) render(name, namespace string) ([]*unstructured.Unstructured, error) {
	memory := filesys.MakeFsInMemory()
	for _, folder := range []string{"deploy/kubernetes", "deploy/dashboards", "e2e/cluster/manifests"} {
		if err := r.copyTree(memory, folder); err != nil {
			return nil, fmt.Errorf("reading the manifests: %w (hint: run make cluster-test in the repository)", err)
		}
	}
	top := "resources: [../e2e/cluster/manifests/" + name + "]\nnamespace: " + namespace + "\n"
	if err := memory.WriteFile("/run/kustomization.yaml", []byte(top)); err != nil {
		return nil, err
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/run")
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", name, err)
	}
	var objects []*unstructured.Unstructured
	for _, resource := range built.Resources() {
		object, err := resource.Map()
		if err != nil {
			return nil, fmt.Errorf("building %s: %w", name, err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: object})
	}
	return objects, nil
}

func (r *run) copyTree(memory filesys.FileSystem, folder string) error {
	return fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name = path.Join(folder, name)
		content, err := os.ReadFile(name) //nolint:gosec // a file of the repository
		if err != nil {
			return err
		}
		text := strings.NewReplacer("set-LAB_IMAGE", r.images.lab, "set-KAFKA_IMAGE", r.images.kafka).Replace(string(content))
		switch name {
		case settingsFile:
			if text, err = r.fillIn(text); err != nil {
				return err
			}
		case publicKeyFile:
			text = r.secrets.publicKey
		}
		return memory.WriteFile("/"+name, []byte(text))
	})
}

// fillIn sets what a user sets in settings.env. Nobody is in the range of addresses, which is one of RFC 5737.
func (r *run) fillIn(text string) (string, error) {
	for name, value := range map[string]string{
		"CONSUMER_IMAGE": r.images.consumer, "PRODUCER_IMAGE": r.images.producer, "VAULT_HOST": "vault.lab.example", "ATTESTATION_HOST": "localhost:8443",
		"IDENTITY_CLIENT_ID": "00000000-0000-0000-0000-000000000000", "SOURCE_RANGE": "203.0.113.7/32", "VIEWER_NAMESPACE": r.cfg.Namespace,
		"PAGE_HOST": r.pageHost(),
	} {
		line := regexp.MustCompile("(?m)^" + name + "=.*$")
		if got := len(line.FindAllString(text, -1)); got != 1 {
			return "", fmt.Errorf("%s: got %d lines %s, want 1", settingsFile, got, name)
		}
		text = line.ReplaceAllLiteralString(text, name+"="+value)
	}
	return text, nil
}

// pageHost is the page's name inside the cluster.
func (r *run) pageHost() string { return "consumer." + r.cfg.Namespace + ".svc" }
