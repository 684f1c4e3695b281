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

	"kafka-e2ee/producer"
)

// rules hold for whatever is deployed.
var rules = []func(*cluster) error{
	ownPodsAreRestricted, noTokenOfTheAPI, probesAnswer, limitsAsDocumented, imagesArePinned, podsAreReplacedWhole, noHostDataInEnvironment,
	namespaceWarns, objectsAreLabelled, selectorsMatch, viewersAreLimited, referencesExist, secretsAreOnesOwn, identitiesAreApart, networkIsClosed,
	usersMayDoOneThing, programsAccept, monitorsFindPods,
}

func (c *cluster) check() error {
	var problems []error
	for _, rule := range rules {
		problems = append(problems, rule(c))
	}
	return errors.Join(problems...)
}

// Without this `kubectl apply -k` fails half way, or deploys something that does not run, is open to everybody, or
// is refused by a cluster that keeps to pod security.
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

// Without this a kustomization that nobody deploys by itself stops building, or holds a misspelt field.
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

// Without this someone who deploys before filling in the settings publishes plaintext to everybody, or sends messages
// that nobody can read.
func TestSettingsMustBeGiven(t *testing.T) {
	t.Parallel()
	for _, kustomization := range []string{kataCC, aci, coco, ordinary} {
		c, err := decode(render(t, kustomization, nil))
		if err != nil {
			t.Fatal(err)
		}
		c.choice = ships(t, kustomization)
		if err := viewersAreLimited(c); err == nil || !strings.Contains(err.Error(), "set-SOURCE_RANGE") {
			t.Errorf("%s: the API server would take the load balancer as shipped: %v", kustomization, err)
		}
		if err := programsAccept(c); !errors.Is(err, producer.ErrSettings) || !strings.Contains(err.Error(), "PUBKEY_FILE") {
			t.Errorf("%s: the producer would start with the placeholder for its key: %v", kustomization, err)
		}
	}
}

// Without this a setting in the one place for settings has no effect, and what a user deploys is somebody else's.
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
			"value: kafka-encryption-demo\n", "azure.workload.identity/client-id: 00000000-0000-0000-0000-000000000001\n", "- 203.0.113.7/32\n",
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

// Without this the README's way to let a second range of addresses in does not build, or replaces the first.
func TestSecondSourceRange(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(read(t, "README.md"), "For a second range")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	snippet, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the README shows no patch")
	}
	files := filledIn(t)
	files[ordinary+"/kustomization.yaml"] = read(t, ordinary+"/kustomization.yaml") + snippet
	c, err := decode(render(t, ordinary, files))
	if err != nil {
		t.Fatal(err)
	}
	c.choice = ships(t, ordinary)
	if got := c.services[0].Spec.LoadBalancerSourceRanges; !slices.Equal(got, []string{"203.0.113.7/32", "198.51.100.0/24"}) || c.check() != nil {
		t.Errorf("ranges %q, %v", got, c.check())
	}
}

// Without this a new public key reaches the producer only after somebody thinks of restarting it.
func TestNewKeyRestartsTheProducer(t *testing.T) {
	t.Parallel()
	_, one := overlay(t, ordinary)
	files := filledIn(t)
	key, err := publicKey()
	if err != nil {
		t.Fatal(err)
	}
	files[keyFile] = key
	other, err := decode(render(t, ordinary, files))
	if err != nil {
		t.Fatal(err)
	}
	other.choice = ships(t, ordinary)
	if one.configs[0].Name == other.configs[0].Name || other.check() != nil {
		t.Errorf("two keys, config maps %s and %s, %v", one.configs[0].Name, other.configs[0].Name, other.check())
	}
}
