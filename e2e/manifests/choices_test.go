package manifests_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// choice is what a user deploys: an overlay, and components that replace its own.
type choice struct {
	overlay    string
	components []string
}

func (c choice) String() string {
	return path.Base(c.overlay) + " with " + strings.Join(c.components, ", ")
}

// has reports whether a component was chosen.
func (c choice) has(component string) bool { return slices.Contains(c.components, component) }

// platform returns the overlay that this one is a variant of.
func (c choice) platform() string {
	return strings.TrimSuffix(strings.TrimSuffix(c.overlay, genpolicy), debug)
}

// input returns the input of the policy generator.
func (c choice) input() choice { return choice{c.overlay + genpolicy, c.components} }

// choices are the README's combinations of overlays and components.
func choices() []choice {
	strimzi, mtls, hubs := []string{"strimzi"}, []string{"strimzi", "strimzi-mtls"}, []string{"event-hubs"}
	kafkas := map[string][][]string{
		kataCC:   {strimzi, mtls, hubs},
		aci:      {append(slices.Clone(mtls), "strimzi-load-balancer"), hubs},
		coco:     {strimzi, mtls},
		ordinary: {strimzi, mtls, hubs},
	}
	var all []choice
	for overlay, list := range kafkas {
		for _, kafka := range list {
			all = append(all, choice{overlay, append([]string{"settings"}, kafka...)})
		}
		if overlay != ordinary {
			all = append(all, choice{overlay, append([]string{"settings", "expected-keys"}, list[len(list)-1]...)})
			for _, kafka := range list {
				all = append(all, choice{overlay, append([]string{"settings", "strict"}, kafka...)})
			}
			page := "page-attested"
			if overlay == coco {
				page = "page-tls"
			}
			all = append(all, choice{overlay, append([]string{"settings", "monitoring", page, "sign-in", "strict"}, list[0]...)})
		}
		pages := []string{"page-tls", "page-tls-secret"}
		if overlay != coco { // whose data hub cannot attest the page's key
			pages = append(pages, "page-attested")
		}
		for _, page := range pages {
			all = append(all, choice{overlay, append([]string{"settings", "monitoring", page}, list[len(list)-1]...)})
		}
	}
	return all
}

// unchanged returns an overlay without changes.
func unchanged(t *testing.T, overlay string) choice {
	t.Helper()
	c := choice{overlay: overlay}
	for _, found := range regexp.MustCompile(`- \.\./\.\./components/(.+)\n`).FindAllStringSubmatch(read(t, path.Join(c.platform(), "kustomization.yaml")), -1) {
		c.components = append(c.components, found[1])
	}
	return c
}

// files returns the files that a user edits for the choice.
func (c choice) files(t *testing.T) map[string]string {
	t.Helper()
	files := filledIn(t)
	name := path.Join(c.platform(), "kustomization.yaml")
	list := regexp.MustCompile(`(?m)^components:\n(  .*\n)+`)
	if got := len(list.FindAllString(read(t, name), -1)); got != 1 {
		t.Fatalf("%s: %d lists of components", name, got)
	}
	files[name] = list.ReplaceAllString(read(t, name), "components:\n  - ../../components/"+strings.Join(c.components, "\n  - ../../components/")+"\n")
	return files
}

// rendered caches what was built, since several tests check the same choices.
var rendered sync.Map // of texts, by choice

// renders builds what a user chose, with the settings filled in.
func (c choice) renders(t *testing.T) (string, *cluster) {
	t.Helper()
	built, found := rendered.Load(c.String())
	if !found {
		built = render(t, c.overlay, c.files(t))
		rendered.Store(c.String(), built)
	}
	text, ok := built.(string)
	if !ok {
		t.Fatalf("%s: built %T", c, built)
	}
	decoded, err := decode(text)
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	decoded.choice = c
	return text, decoded
}
