package manifests_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/yaml"
)

const gitops = "../gitops/overlay"

// application is the part of Argo CD's Application that the documented objects use, as its definition
// (manifests/crds/application-crd.yaml of Argo CD 3) names it: its own types would bring all of Argo CD.
type application struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name       string   `json:"name"`
		Namespace  string   `json:"namespace"`
		Finalizers []string `json:"finalizers"`
	} `json:"metadata"`
	Spec struct {
		Project string `json:"project"`
		Source  struct {
			RepoURL        string `json:"repoURL"`
			TargetRevision string `json:"targetRevision"`
			Path           string `json:"path"`
			Helm           *struct {
				ReleaseName  string         `json:"releaseName"`
				ValuesObject map[string]any `json:"valuesObject"`
			} `json:"helm"`
		} `json:"source"`
		Destination struct {
			Server    string `json:"server"`
			Namespace string `json:"namespace"`
		} `json:"destination"`
		SyncPolicy struct {
			Automated struct {
				Prune    bool `json:"prune"`
				SelfHeal bool `json:"selfHeal"`
			} `json:"automated"`
			SyncOptions              []string `json:"syncOptions"`
			ManagedNamespaceMetadata *struct {
				Labels map[string]string `json:"labels"`
			} `json:"managedNamespaceMetadata"`
		} `json:"syncPolicy"`
	} `json:"spec"`
}

// team is what the documented overlay changes.
func team(t *testing.T) map[string]string {
	t.Helper()
	files := filledIn(t)
	files[settings] = strings.NewReplacer(
		"myKeyVault.vault.azure.net", "team-a.vault.azure.net",
		"sharedeus2.eus2.test.attest.azure.net", "team-a.eus2.attest.azure.net",
		"=set-IDENTITY_CLIENT_ID", "=00000000-0000-0000-0000-000000000003",
		"=set-SOURCE_RANGE", "=203.0.113.0/24",
		"set-PAGE_HOST.example", "page.team-a.example",
		"registry.example/kafka-e2ee/consumer:1.0", "registry.team-a.example/consumer@sha256:"+strings.Repeat("0", 64),
		"registry.example/kafka-e2ee/producer:1.0", "registry.team-a.example/producer@sha256:"+strings.Repeat("0", 64),
	).Replace(read(t, settings))
	files[keyFile] = read(t, path.Join(gitops, "kafka-encryption-demo-pub.pem"))
	return files
}

// Without this a team that follows the documentation could deploy into another namespace, with other images, for another
// key, or to everybody; or change more than it means to.
func TestGitOpsOverlay(t *testing.T) {
	t.Parallel()
	shipped := map[string]string{} // the team edits its own files only
	got := objects(t, render(t, gitops, shipped))
	want := strings.ReplaceAll(render(t, ordinary, team(t)), "namespace: kafka\n", "namespace: team-a\n")
	want = strings.Replace(want, "  name: kafka\n", "  name: team-a\n", 1)
	wantSameObjects(t, got, objects(t, want))
}

// Without this a team could generate a policy for another pod than it deploys, which then would not start.
func TestGitOpsPolicyInput(t *testing.T) {
	t.Parallel()
	name := path.Join(gitops, "kustomization.yaml")
	confidential := map[string]string{name: strings.Replace(read(t, name), "overlays/ordinary", "overlays/kata-cc", 1)}
	got := objects(t, render(t, gitops+genpolicy, confidential))
	want := strings.ReplaceAll(render(t, kataCC+genpolicy, team(t)), "namespace: kafka\n", "namespace: team-a\n")
	wantSameObjects(t, got, objects(t, want))
}

// Without this a misspelt field could be ignored by Argo CD or Flux, and the two ways could deploy different things.
func TestGitOpsTools(t *testing.T) {
	t.Parallel()
	made, found := fromKustomize(t, render(t, gitops, nil)), 0
	chartOf := func(tool, folder, namespace string, values map[string]any) {
		found++
		installed, _, err := install(t, namespace, values)
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		if path.Join("../..", folder) != chartFolder || namespace != "team-a" {
			t.Errorf("%s installs %s into %s", tool, folder, namespace)
		}
		wantSameObjects(t, objects(t, installed), made)
	}

	var overlay, chart application
	documents(t, readDeployed(t, "argocd.yaml"), &overlay, &chart)
	for _, a := range []application{overlay, chart} {
		if a.APIVersion != "argoproj.io/v1alpha1" || a.Kind != "Application" || a.Spec.Destination.Namespace != "team-a" {
			t.Errorf("%+v", a)
		}
		if !slices.Equal(a.Metadata.Finalizers, []string{"resources-finalizer.argocd.argoproj.io"}) {
			t.Errorf("deleting the Application %s would leave everything", a.Metadata.Name)
		}
	}
	if overlay.Spec.Source.Path != "deploy/gitops/overlay" || overlay.Spec.Source.Helm != nil {
		t.Errorf("the overlay is at %s", overlay.Spec.Source.Path)
	}
	chartOf("Argo CD", chart.Spec.Source.Path, chart.Spec.Destination.Namespace, chart.Spec.Source.Helm.ValuesObject)

	var repository sourcev1.GitRepository
	var kustomization kustomizev1.Kustomization
	var release helmv2.HelmRelease
	documents(t, readDeployed(t, "flux.yaml"), &repository, &kustomization, &release)
	for _, source := range []string{kustomization.Spec.SourceRef.Kind + "/" + kustomization.Spec.SourceRef.Name, release.Spec.Chart.Spec.SourceRef.Kind + "/" + release.Spec.Chart.Spec.SourceRef.Name} {
		if source != "GitRepository/"+repository.Name {
			t.Errorf("flux looks for %s", source)
		}
	}
	if path.Clean(kustomization.Spec.Path) != "deploy/gitops/overlay" || kustomization.Spec.TargetNamespace != "" {
		t.Errorf("flux applies %s", kustomization.Spec.Path)
	}
	var values map[string]any
	if err := yaml.Unmarshal(release.Spec.Values.Raw, &values); err != nil {
		t.Fatal(err)
	}
	if release.Spec.DriftDetection != nil {
		t.Error("Flux would make a deleted topic again, and the README says that it does not")
	}
	chartOf("Flux", release.Spec.Chart.Spec.Chart, release.Spec.TargetNamespace, values)
	if found != 2 {
		t.Errorf("%d charts", found)
	}
}

// Without this somebody could install an operator that looks for Kafka in another namespace, or another release of it than
// this was tested with.
func TestGitOpsOperator(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(read(t, "README.md"), "   curl ")
	commands, _, closed := strings.Cut(rest, "   kubectl ")
	if !found || !closed {
		t.Fatal("the README does not install Strimzi")
	}
	want := strings.NewReplacer("namespace: kafka/", "namespace: team-a/", "-n kafka ", "-n team-a ").Replace("   curl " + commands)
	if text := readDeployed(t, "README.md"); !strings.Contains(text, "   kubectl create namespace team-a\n"+want) {
		t.Errorf("README.md does not say\n%s", want)
	}
}

// Without this the instructions could name an object that is not there, or delete the topic while something makes it
// again.
func TestGitOpsRemoval(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(readDeployed(t, "README.md"), "## Remove everything\n")
	there := objects(t, readDeployed(t, "argocd.yaml")+"\n---\n"+readDeployed(t, "flux.yaml")+"\n---\n"+render(t, gitops, nil))
	for _, block := range regexp.MustCompile("(?s)```sh\n(.+?)```").FindAllStringSubmatch(rest, -1) {
		var verbs []string
		for _, command := range regexp.MustCompile(`(?m)^kubectl -n (\S+) (\S+) (\S+) (\S+)`).FindAllStringSubmatch(block[1], -1) {
			namespace, verb, kind, name := command[1], command[2], command[3], command[4]
			verbs = append(verbs, verb+" "+kind)
			exists := func(object string) bool { return strings.EqualFold(object, kind+" "+namespace+"/"+name) }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(there)), exists) {
				t.Errorf("%s: there is no such object", command[0])
			}
		}
		sync := strings.TrimPrefix(verbs[len(verbs)-1], "delete ")
		want := []string{"patch " + sync, "delete kafkatopic", "delete " + sync}
		if sync == "helmrelease" { // which does not look at what it installed
			want = want[1:]
		}
		if !slices.Equal(verbs, want) {
			t.Errorf("%q, want %q", verbs, want)
		}
	}
	if named := strings.Count(rest, "delete kafkatopic"); named != 3 {
		t.Errorf("%d ways, want 3", named)
	}
}

func readDeployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path.Join(deploy, "gitops", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
