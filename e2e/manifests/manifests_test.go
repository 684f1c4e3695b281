package manifests_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	progsettings "kafka-e2ee/settings"
)

// rules hold for everything that is deployed.
var rules = []func(*cluster) error{
	ownPodsAreRestricted, noTokenOfTheAPI, probesAnswer, limitsAsDocumented, imagesArePinned, podsAreReplacedWhole, noHostDataInEnvironment,
	namespaceWarns, objectsAreLabelled, selectorsMatch, viewersAreLimited, referencesExist, secretsAreOwn, identitiesAreSeparate, networkIsClosed,
	rightsAreMinimal, programsAccept, monitorsFindPods, anchorsAreMeasured,
}

func (c *cluster) check() error {
	var problems []error
	for _, rule := range rules {
		problems = append(problems, rule(c))
	}
	return errors.Join(problems...)
}

// Without this `kubectl apply -k` could fail half way, or deploy something that does not run, is open to everybody, or
// violates the cluster's pod security.
func TestOverlays(t *testing.T) {
	t.Parallel()
	for _, c := range choices() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			if _, made := c.renders(t); made.check() != nil {
				t.Error(made.check())
			}
		})
	}
	for _, kustomization := range []string{kataCC, aci, coco, kataCC + debug, aci + debug, coco + debug, ordinary} {
		if _, c := overlay(t, kustomization); c.check() != nil {
			t.Errorf("%s:\n%v", kustomization, c.check())
		}
	}
}

// Without this a kustomization that nobody deploys by itself could stop building, or hold a misspelt field.
func TestEveryKustomizationBuilds(t *testing.T) {
	t.Parallel()
	built := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Base(name) != "kustomization.yaml" || strings.Contains(read(t, name), "kind: Component") {
			return err
		}
		built++
		_, err = decode(render(t, path.Dir(name), nil))
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return err
	})
	if err != nil || built < 14 {
		t.Errorf("%d built: %v", built, err)
	}
}

// Without this somebody who deploys before filling in the settings could publish plaintext to everybody, or send
// messages that nobody can read.
func TestSettingsMustBeGiven(t *testing.T) {
	t.Parallel()
	for _, kustomization := range []string{kataCC, aci, coco, ordinary} {
		c, err := decode(render(t, kustomization, nil))
		if err != nil {
			t.Fatal(err)
		}
		c.choice = unchanged(t, kustomization)
		if err := viewersAreLimited(c); err == nil || !strings.Contains(err.Error(), "set-SOURCE_RANGE") {
			t.Errorf("%s: the API server would take the load balancer as shipped: %v", kustomization, err)
		}
		d, err := c.consumer()
		if err != nil {
			t.Fatal(err)
		}
		if hosts, _ := environment(container(d, consumerName))("WEB_HOSTS"); hosts != "set-PAGE_HOST.example,localhost,127.0.0.1" {
			t.Errorf("%s: the page answers to %q as shipped", kustomization, hosts)
		}
		if err := programsAccept(c); !errors.Is(err, progsettings.ErrInvalid) || !strings.Contains(err.Error(), "PUBKEY_FILE") {
			t.Errorf("%s: the producer would start with the placeholder for its key: %v", kustomization, err)
		}
	}
}

// Without this a setting could have no effect, and a user would deploy somebody else's values.
func TestSettingsArrive(t *testing.T) {
	t.Parallel()
	for _, c := range choices() {
		text, _ := c.renders(t)
		for _, leftover := range []string{"registry.example", "myKeyVault", "sharedeus2", "set-", "set by", "MIIBojAN***AE=", "not-generated-yet"} {
			if strings.Contains(text, leftover) {
				t.Errorf("%s: %q is still there", c, leftover)
			}
		}
	}
	for _, kustomization := range []string{kataCC, ordinary} {
		text, c := overlay(t, kustomization)
		for _, want := range []string{
			"image: registry.test/team/consumer:1.0\n", "image: registry.test/team/producer:1.0\n", "value: vault.test\n", "value: attestation.test\n",
			"value: kafka-encryption-demo\n", "azure.workload.identity/client-id: 00000000-0000-0000-0000-000000000001\n", "- 203.0.113.7/32\n", "cidr: 203.0.113.7/32\n",
			"value: page.test,localhost,127.0.0.1\n", "azure-dns-label-name: label\n",
		} {
			if strings.Count(text, want) != 1 {
				t.Errorf("%s: %q is there %d times", kustomization, want, strings.Count(text, want))
			}
		}
		if len(c.configs) != 1 {
			t.Errorf("%s: %d config maps are deployed, want that of the public key only", kustomization, len(c.configs))
		}
	}
}

// Without this a consumer that must use one key only could start with any, or with the placeholder for its id.
func TestExpectedKeys(t *testing.T) {
	t.Parallel()
	found := 0
	for _, chosen := range choices() {
		if !chosen.has("expected-keys") {
			continue
		}
		found++
		for _, chosen := range []choice{chosen, chosen.input()} {
			_, c := chosen.renders(t)
			d, err := c.consumer()
			if err != nil {
				t.Fatal(err)
			}
			if ids, _ := environment(container(d, consumerName))("EXPECTED_KEY_IDS"); ids != expectedKey {
				t.Errorf("%s: the consumer may use the keys %q", chosen, ids)
			}
		}
		text, _ := chosen.renders(t)
		shipped, err := decode(strings.Replace(text, expectedKey, "set-EXPECTED_KEY_IDS", 1))
		if err != nil {
			t.Fatal(err)
		}
		shipped.choice = chosen
		if err := programsAccept(shipped); err == nil || !strings.Contains(err.Error(), "EXPECTED_KEY_IDS") {
			t.Errorf("%s: the consumer would start with the placeholder: %v", chosen, err)
		}
	}
	if found != 3 {
		t.Errorf("%d combinations", found)
	}
}

// Without this the README's way to allow a second address range might not build, or replace the first.
func TestSecondSourceRange(t *testing.T) {
	t.Parallel()
	c := patched(t, "For a second range", filledIn(t))
	if got := c.services[0].Spec.LoadBalancerSourceRanges; !slices.Equal(got, []string{"203.0.113.7/32", "198.51.100.0/24"}) || viewersAreLimited(c) != nil {
		t.Errorf("ranges %q, %v", got, viewersAreLimited(c))
	}
	flows, _, err := c.flowsOf(c.deployments[0].Spec.Template.Labels)
	if err != nil || !slices.Contains(flows, "in TCP 3333 198.51.100.0/24") || !slices.Contains(flows, "in TCP 3333 203.0.113.7/32") {
		t.Errorf("the network carries %q, %v", flows, err)
	}
}

// Without this the README's way to keep pods out of a wide range might not build, or keep out viewers.
func TestPodsTakenOutOfSourceRange(t *testing.T) {
	t.Parallel()
	files := filledIn(t)
	files[settings] = strings.Replace(files[settings], "SOURCE_RANGE="+sourceRange, "SOURCE_RANGE=0.0.0.0/0", 1)
	c := patched(t, "Take them out", files)
	flows, _, err := c.flowsOf(c.deployments[0].Spec.Template.Labels)
	if err != nil || !slices.Contains(flows, "in TCP 3333 0.0.0.0/0 but not 10.244.0.0/16") || viewersAreLimited(c) != nil {
		t.Errorf("the network carries %q, %v, %v", flows, err, viewersAreLimited(c))
	}
}

// patched renders overlay ordinary with the patch that the README shows after some words.
func patched(t *testing.T, after string, files map[string]string) *cluster {
	t.Helper()
	files[ordinary+"/kustomization.yaml"] = read(t, ordinary+"/kustomization.yaml") + snippetAfter(t, after)
	c, err := decode(render(t, ordinary, files))
	if err != nil {
		t.Fatal(err)
	}
	c.choice = unchanged(t, ordinary)
	return c
}

// snippetAfter returns the first YAML that the README shows after some words.
func snippetAfter(t *testing.T, after string) string {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, "README.md"), after)
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	snippet, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatalf("the README shows no patch after %q", after)
	}
	return snippet
}

// Without this a cluster whose load balancer needs node ports could not show the page, or would show it to everybody
// who reaches a node.
func TestNodePort(t *testing.T) {
	t.Parallel()
	_, c := choice{ordinary, []string{"settings", "strimzi", "node-port"}}.renders(t)
	if allocates := c.services[0].Spec.AllocateLoadBalancerNodePorts; allocates == nil || !*allocates || c.check() != nil {
		t.Errorf("allocates %v, %v", allocates, c.check())
	}
}

// Without this a new public key would reach the producer only when somebody restarts it.
func TestNewKeyRestartsTheProducer(t *testing.T) {
	t.Parallel()
	_, one := overlay(t, ordinary)
	files := filledIn(t)
	files[keyFile] = harness.PublicPEM(t, &harness.NewKey(t).PublicKey)
	other, err := decode(render(t, ordinary, files))
	if err != nil {
		t.Fatal(err)
	}
	other.choice = unchanged(t, ordinary)
	if one.configs[0].Name == other.configs[0].Name || other.check() != nil {
		t.Errorf("two keys, config maps %s and %s, %v", one.configs[0].Name, other.configs[0].Name, other.check())
	}
}
