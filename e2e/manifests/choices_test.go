package manifests_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// choice is what a user deploys: an overlay, and components in place of its own.
type choice struct {
	overlay    string
	components []string
}

func (c choice) String() string {
	return path.Base(c.overlay) + " with " + strings.Join(c.components, ", ")
}

// has reports whether a component was chosen.
func (c choice) has(component string) bool { return slices.Contains(c.components, component) }

// platform is the overlay of which this one is a variant.
func (c choice) platform() string {
	return strings.TrimSuffix(strings.TrimSuffix(c.overlay, genpolicy), debug)
}

// input is what the policy's generator gets.
func (c choice) input() choice { return choice{c.overlay + genpolicy, c.components} }

// choices are the ways in which the README combines overlays and components.
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
		for _, page := range []string{"page-tls", "page-tls-secret"} {
			all = append(all, choice{overlay, append([]string{"settings", "monitoring", page}, list[len(list)-1]...)})
		}
	}
	return all
}

// ships is an overlay as it is.
func ships(t *testing.T, overlay string) choice {
	t.Helper()
	c := choice{overlay: overlay}
	for _, found := range regexp.MustCompile(`- \.\./\.\./components/(.+)\n`).FindAllStringSubmatch(read(t, path.Join(c.platform(), "kustomization.yaml")), -1) {
		c.components = append(c.components, found[1])
	}
	return c
}

// rendered holds what was built once, since several tests look at the same choices.
var rendered sync.Map // of texts, by choice

// renders builds what a user chose, filled in.
func (c choice) renders(t *testing.T) (string, *cluster) {
	t.Helper()
	built, found := rendered.Load(c.String())
	if !found {
		files := filledIn(t)
		name := path.Join(c.platform(), "kustomization.yaml")
		list := regexp.MustCompile(`(?m)^components:\n(  .*\n)+`)
		if got := len(list.FindAllString(read(t, name), -1)); got != 1 {
			t.Fatalf("%s: %d lists of components", name, got)
		}
		files[name] = list.ReplaceAllString(read(t, name), "components:\n  - ../../components/"+strings.Join(c.components, "\n  - ../../components/")+"\n")
		built = render(t, c.overlay, files)
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
