package manifests_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const chartFolder = deploy + "/helm"

// chart is what users install.
var chart = sync.OnceValues(func() (*chartv2.Chart, error) { return loader.LoadDir(chartFolder) })

// install renders the chart as Helm does before it installs a release, and returns the manifests and the notes.
func install(t *testing.T, namespace string, values map[string]any) (manifests, notes string, err error) {
	t.Helper()
	loaded, err := chart()
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "kafka-e2ee", Namespace: namespace, IsInstall: true, Revision: 1}
	all, err := util.ToRenderValues(loaded, values, release, common.DefaultCapabilities)
	if err != nil {
		return "", "", err
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return "", "", err
	}
	var documents []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) == "NOTES.txt" {
			notes = files[name]
			continue
		}
		documents = append(documents, files[name])
	}
	return strings.Join(documents, "\n---\n"), notes, nil
}

// values tells the chart what the choice and the settings tell kustomize.
func (c choice) values(t *testing.T) map[string]any {
	t.Helper()
	files := c.files(t)
	set := make(map[string]string)
	for _, line := range regexp.MustCompile(`(?m)^([A-Z_]+)=(.*)$`).FindAllStringSubmatch(files[settings], -1) {
		set[line[1]] = line[2]
	}
	key := map[string]any{
		"public": files[keyFile], "name": set["KEY_NAME"],
	}
	if c.platform() != coco {
		key["vaultHost"], key["attestationHost"], key["identityClientID"] = set["VAULT_HOST"], set["ATTESTATION_HOST"], set["IDENTITY_CLIENT_ID"]
	}
	page := map[string]any{
		"host": set["PAGE_HOST"], "sourceRanges": []any{set["SOURCE_RANGE"]}, "viewerNamespace": set["VIEWER_NAMESPACE"],
		"dnsLabel": set["PAGE_DNS_LABEL"], "nodePort": c.has("node-port"),
	}
	kafka := map[string]any{}
	strict := map[string]any{"enabled": c.has("strict")}
	if c.has("expected-keys") || c.has("strict") {
		key["expectedIDs"] = set["EXPECTED_KEY_IDS"]
	}
	if c.has("strict") {
		strict["trustedSenders"] = files[sendersFile]
	}
	if c.has("sign-in") {
		page["users"] = files[usersFile]
	}
	for component, tls := range map[string]string{"page-attested": "attested", "page-tls": "self-signed", "page-tls-secret": "secret"} {
		if c.has(component) {
			page["tls"] = tls
		}
	}
	switch {
	case c.has("event-hubs"):
		kafka = map[string]any{"kind": "event-hubs", "eventHubs": set["EVENT_HUBS"], "producerIdentityClientID": set["PRODUCER_IDENTITY_CLIENT_ID"]}
	case c.has("strimzi-mtls"):
		kafka = map[string]any{"kind": "strimzi-mtls"}
		if c.has("strimzi-load-balancer") {
			kafka["address"] = set["KAFKA_ADDRESS"]
		}
	}
	values := map[string]any{
		"platform": path.Base(c.platform()), "policyInput": strings.HasSuffix(c.overlay, genpolicy), "debug": strings.Contains(c.overlay, debug),
		"images": map[string]any{"consumer": set["CONSUMER_IMAGE"], "producer": set["PRODUCER_IMAGE"], "sidecar": set["SKR_IMAGE"]},
		"coco":   map[string]any{"runtimeClass": set["RUNTIME_CLASS"], "keyResource": set["KEY_RESOURCE"]},
		"key":    key, "page": page, "kafka": kafka, "strict": strict, "monitoring": map[string]any{"enabled": c.has("monitoring"), "release": set["MONITORING_RELEASE"]},
	}
	if measured[c.platform()].file != "" {
		values["policy"] = generatedPolicy
	}
	return values
}

// Without this somebody who installs with Helm would deploy something else than what all other tests check.
func TestChartEqualsOverlays(t *testing.T) {
	t.Parallel()
	all := choices()
	all = append(all, choice{ordinary, []string{"settings", "strimzi", "node-port"}})
	for _, c := range all {
		variants := []choice{c}
		if c.platform() != ordinary {
			variants = append(variants, c.input(), choice{c.overlay + debug, c.components}, choice{c.overlay + debug, c.components}.input())
		}
		for _, c := range variants {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				text, _ := c.renders(t)
				made, _, err := install(t, "kafka", c.values(t))
				if err != nil {
					t.Fatal(err)
				}
				wantSameObjects(t, objects(t, made), fromKustomize(t, text))
			})
		}
	}
}

// Without this a release in another namespace could put objects into somebody else's.
func TestChartNamespace(t *testing.T) {
	t.Parallel()
	c := choice{kataCC, []string{"settings", "monitoring", "page-tls", "strict", "strimzi", "strimzi-mtls"}}
	texts := make(map[string]string)
	for _, namespace := range []string{"kafka", "team-a"} {
		made, notes, err := install(t, namespace, c.values(t))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(notes, "system:serviceaccount:"+namespace+":workload-identity-sa") {
			t.Errorf("the notes name another account:\n%s", notes)
		}
		texts[namespace] = made
	}
	for name := range objects(t, texts["team-a"]) {
		if !strings.Contains(name, " team-a/") {
			t.Errorf("%s is elsewhere", name)
		}
	}
	want := objects(t, strings.ReplaceAll(texts["kafka"], "namespace: kafka\n", "namespace: team-a\n"))
	wantSameObjects(t, objects(t, texts["team-a"]), want)
}

// Without this a new public key would reach the producer only when somebody restarts it.
func TestChartNewKeyRestartsTheProducer(t *testing.T) {
	t.Parallel()
	values := unchanged(t, ordinary).values(t)
	made, _, err := install(t, "kafka", values)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(filledIn(t)[keyFile]))
	if want := "checksum/public-key: " + hex.EncodeToString(sum[:]) + "\n"; strings.Count(made, want) != 1 {
		t.Errorf("want %s in the producer's pod", want)
	}
}

// fromKustomize returns the objects with the differences between the two that deploy/helm/README.md lists.
func fromKustomize(t *testing.T, text string) map[string]string {
	t.Helper()
	text = regexp.MustCompile(`public-key-[0-9a-z]{10}`).ReplaceAllString(text, "public-key")
	text = strings.ReplaceAll(text, "app.kubernetes.io/managed-by: kustomize", "app.kubernetes.io/managed-by: Helm")
	text = regexp.MustCompile(`(?m)^ +kafka-e2ee/page: .*\n`).ReplaceAllString(text, "")
	all := objects(t, text)
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, "Namespace ") })
	return all
}

// objects returns canonical texts of all objects, by kind, namespace and name.
func objects(t *testing.T, manifests string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(manifests, -1) {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if object == nil {
			continue
		}
		canonical(object)
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		metadata, is := object["metadata"].(map[string]any)
		if !is {
			t.Fatalf("no metadata:\n%s", document)
		}
		name := nameOf(object["kind"]) + " " + nameOf(metadata["namespace"]) + "/" + nameOf(metadata["name"])
		if all[name] != "" {
			t.Errorf("%s is there twice", name)
		}
		all[name] = string(text)
	}
	return all
}

// canonical sorts the lists that are sets to Kubernetes, and takes out the annotation that is the chart's own and the
// empty list that kustomize leaves behind.
func canonical(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			canonical(below)
			list, isList := below.([]any)
			if isList && slices.Contains([]string{"env", "volumes", "volumeMounts"}, key) {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(nameOf(a), nameOf(b)) })
			}
			if isList && key == "initContainers" && len(list) == 0 {
				delete(v, key)
			}
			if annotations, is := below.(map[string]any); is && key == "annotations" {
				if delete(annotations, "checksum/public-key"); len(annotations) == 0 {
					delete(v, key)
				}
			}
		}
	case []any:
		for _, below := range v {
			canonical(below)
		}
	}
}

// nameOf returns a text, or the name of a named value.
func nameOf(value any) string {
	if named, is := value.(map[string]any); is {
		value = named["name"]
	}
	if text, is := value.(string); is {
		return text
	}
	return ""
}

func wantSameObjects(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: got these lines only\n%s\nwant also\n%s", name, linesWithout(got[name], want[name]), linesWithout(want[name], got[name]))
		}
	}
	for name := range got {
		if want[name] == "" {
			t.Errorf("%s: only one of the two has it", name)
		}
	}
	if len(got) == 0 {
		t.Error("there is nothing")
	}
}

// linesWithout returns the lines of a text that the other one lacks.
func linesWithout(text, other string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(other+"\n", line+"\n") }), "\n")
}
