// Package seed reads the article's manifests, and runs what their containers declare.
package seed

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"kafka-e2ee/e2e/harness"
)

// Container is what a manifest declares of a container: its image, its command, and all of its environment.
type Container struct {
	Image   string
	Command []string
	Env     map[string]string
}

// Consumer returns the article's consumer.
func Consumer(t testing.TB) Container { return read(t, "consumer.yaml", "kafka-golang-consumer") }

// Producer returns the article's producer.
func Producer(t testing.TB) Container { return read(t, "producer.yaml", "kafka-producer") }

// Manifest returns the text of a manifest.
func Manifest(t testing.TB, file string) string { return harness.ReadFile(t, "deploy/seed/"+file) }

func read(t testing.TB, file, name string) Container {
	t.Helper()
	first, _, _ := strings.Cut(Manifest(t, file), "\n---\n")
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(first), &pod); err != nil {
		t.Fatal(err)
	}
	for _, declared := range pod.Spec.Containers {
		if declared.Name != name {
			continue
		}
		c := Container{Image: declared.Image, Command: declared.Command, Env: map[string]string{}}
		for _, e := range declared.Env {
			c.Env[e.Name] = e.Value
		}
		return c
	}
	t.Fatalf("%s: has no container %s", file, name)
	return Container{}
}

// With replaces the values of declared variables.
func (c Container) With(t testing.TB, values map[string]string) Container {
	t.Helper()
	c.Env = maps.Clone(c.Env)
	for name, value := range values {
		if _, found := c.Env[name]; !found {
			t.Fatalf("%s is not declared", name)
		}
		c.Env[name] = value
	}
	return c
}

// Lookup returns a variable's value, as os.LookupEnv does.
func (c Container) Lookup(name string) (string, bool) {
	value, found := c.Env[name]
	return value, found
}

// Program returns the container's program, with the declared environment and what is added, and with nothing of the
// test's own environment.
func (c Container) Program(t testing.TB, added ...string) (*exec.Cmd, *harness.LogBuffer) {
	t.Helper()
	if len(c.Command) != 1 {
		t.Fatalf("command %q", c.Command)
	}
	cmd, log := exec.Command(harness.Build(t, filepath.Base(c.Command[0]))), new(harness.LogBuffer)
	for name, value := range c.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, added...)
	cmd.Stderr = log
	return cmd, log
}
