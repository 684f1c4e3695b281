package manifests_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

// agentPolicy models the output of a policy generator: like a real policy it holds each container's image, command and
// environment values, and what else is allowed.
type agentPolicy struct {
	Containers []allowed
	Exec, Logs bool
}

type allowed struct {
	Image   string
	Command []string
	Env     map[string]string
}

func generate(d *appsv1.Deployment) agentPolicy {
	var p agentPolicy
	for _, c := range containers(d) {
		a := allowed{Image: c.Image, Command: c.Command, Env: map[string]string{}}
		for _, e := range c.Env {
			a.Env[e.Name] = e.Value
		}
		p.Containers = append(p.Containers, a)
	}
	return p
}

// starts reports whether a guest with the policy starts the pod's containers. Like real guests it lets variables be left
// out, but not arguments of the command.
func (p agentPolicy) starts(d *appsv1.Deployment) bool {
	return slices.EqualFunc(p.Containers, generate(d).Containers, func(a, b allowed) bool {
		return a.Image == b.Image && slices.Equal(a.Command, b.Command) && contains(a.Env, b.Env)
	})
}

func contains(all, some map[string]string) bool {
	for name, value := range some {
		if got, found := all[name]; !found || got != value {
			return false
		}
	}
	return true
}

func (p agentPolicy) hash(t *testing.T) [sha256.Size]byte {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(text)
}

// Without this somebody could look inside a pod that holds the key: with the debug variant and the policy that the key
// is released for, or with another policy of the same hash.
func TestDebugCannotMatchTheReleasePolicy(t *testing.T) {
	t.Parallel()
	for _, chosen := range choices() {
		if measured[chosen.overlay].file == "" {
			continue
		}
		_, c := chosen.renders(t)
		_, inspected := choice{chosen.overlay + debug, chosen.components}.renders(t)
		release, err := c.consumer()
		if err != nil {
			t.Fatal(err)
		}
		pod, err := inspected.consumer()
		if err != nil {
			t.Fatal(err)
		}
		// Whether the debug policy is generated as strictly as the other or more openly, its hash differs.
		for _, open := range []bool{false, true} {
			policy := generate(pod)
			policy.Exec, policy.Logs = open, open
			if policy.hash(t) == generate(release).hash(t) {
				t.Errorf("%s: the debug variant has the measurement that the key is released for", chosen)
			}
		}
		// The debug variant does not start with the key's own policy: it has one more variable.
		if generate(release).starts(pod) {
			t.Errorf("%s: the key's policy lets the debug variant start", chosen)
		}
		if !generate(release).starts(release) || !generate(pod).starts(pod) {
			t.Errorf("%s: a policy does not let its own pod start", chosen)
		}
		notice, _ := environment(container(pod, consumerName))("WEB_NOTICE")
		if _, set := environment(container(release, consumerName))("WEB_NOTICE"); set || !strings.HasPrefix(notice, "Debug:") || pod.Spec.Template.Labels["kafka-e2ee/debug"] != "true" {
			t.Errorf("%s: the page of the debug variant says %q", chosen, notice)
		}
	}
}

// Without this the policy of one variant could end up in the other's pod.
func TestDebugHasItsOwnPolicy(t *testing.T) {
	t.Parallel()
	for kustomization, m := range measured {
		files := filledIn(t)
		files[path.Join(kustomization+debug, m.file)] = "b3RoZXI="
		for variant, want := range map[string]string{kustomization: generatedPolicy, kustomization + debug: "b3RoZXI="} {
			c, err := decode(render(t, variant, files))
			if err != nil {
				t.Fatal(err)
			}
			d, err := c.consumer()
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Spec.Template.Annotations[m.annotation]; got != want {
				t.Errorf("%s: a policy of %d bytes, want %d", variant, len(got), len(want))
			}
		}
	}
}

// Without this a key could be made, by mistake, for the pod that people look into.
func TestDebugIsNotMeasured(t *testing.T) {
	t.Parallel()
	for kustomization, m := range measured {
		if kustomization == coco {
			continue // its measurement is the initdata's, which knows no pod
		}
		for variant, refused := range map[string]bool{kustomization: false, kustomization + debug: true} {
			files := filledIn(t)
			files[path.Join(variant, m.file)] = "cG9saWN5"
			values := unchanged(t, kustomization).values(t)
			values["policy"], values["debug"] = "cG9saWN5", refused
			installed, _, err := install(t, "kafka", with(values, "key.public", "not-made-yet"))
			if err != nil {
				t.Fatal(err)
			}
			for tool, text := range map[string]string{"kustomize": render(t, variant, files), "Helm": installed} {
				manifest := filepath.Join(t.TempDir(), "pod.yaml")
				if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%x\n", sha256.Sum256([]byte("policy")))
				out, err := exec.Command("bash", deploy+"/azure/measure", manifest).CombinedOutput()
				if refused && (err == nil || !strings.Contains(string(out), "debug variant")) || !refused && string(out) != want {
					t.Errorf("%s with %s: %v\n%s", variant, tool, err, out)
				}
			}
		}
	}
	// The documents measure with that script, and not by hand.
	for name, folder := range map[string]string{"../kubernetes/README.md": "../azure", "README.md": "deploy/azure"} {
		text := readChart(t, name)
		all, safe := strings.Count(text, "WORKLOAD_MEASUREMENT=$("), strings.Count(text, "WORKLOAD_MEASUREMENT=$("+folder+"/measure ")
		if all == 0 || safe != all {
			t.Errorf("%s measures %d times, with the script %d times", name, all, safe)
		}
	}
}
