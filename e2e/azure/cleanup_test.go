package azure_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	strimziCRD = "k8s/mine/CustomResourceDefinition/-/"
	operator   = "k8s/mine/Deployment/kafka/strimzi-cluster-operator"
)

// Without this clean-up could delete another team's Kafka, with all its messages, because deleting a definition deletes
// its objects in the whole cluster, and deleting a namespace deletes everything in it.
func TestAzureCleanUpKeepsOthersObjects(t *testing.T) {
	s := newShell(t, "demovault.vault.azure.net")
	s.given["CLUSTER_IS"] = "existing"
	s.world.Add("group/demo", nil)
	s.world.Add("cluster/mine", map[string]string{"group": "demo"})
	before := append(s.resources(), "k8s/mine/RuntimeClass/-/kata-cc-isolation")
	s.must("all")
	steps := []struct {
		theirs string
		says   []string
		keeps  []string // with the object itself
	}{
		{ // a topic beside ours, which needs the operator
			"k8s/mine/KafkaTopic/kafka/orders",
			[]string{"Strimzi's namespace kafka still holds", "KafkaTopic kafka/orders"},
			[]string{strimziCRD + "kafkatopics.kafka.strimzi.io", operator, "k8s/mine/Namespace/-/kafka"},
		},
		{ // a Kafka elsewhere
			"k8s/mine/Kafka/payments/ledger",
			[]string{"the definition kafkas.kafka.strimzi.io still holds", "Kafka payments/ledger", "kubectl delete crd kafkas.kafka.strimzi.io"},
			[]string{strimziCRD + "kafkas.kafka.strimzi.io", "k8s/mine/Namespace/-/kafka"},
		},
		{ // a program beside ours
			"k8s/mine/Deployment/kafka/theirs",
			[]string{"the namespace kafka still holds", "Deployment kafka/theirs", "kubectl delete namespace kafka"},
			[]string{"k8s/mine/Namespace/-/kafka"},
		},
	}
	for _, step := range steps {
		s.world.Add(step.theirs, map[string]string{"json": "{}"})
	}
	for _, step := range steps {
		out, err := s.run("15-clean-up.sh")
		for _, want := range append(step.says, "were not made by these scripts", "hint: ", "run this again") {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%q is missing: %v: %s", want, err, out)
			}
		}
		for _, kept := range append(step.keeps, step.theirs) {
			if !slices.Contains(s.resources(), kept) {
				t.Errorf("%s is deleted: %s", kept, out)
			}
		}
		s.world.Remove(step.theirs) // it has moved
	}
	s.must("15-clean-up.sh")
	if after := s.resources(); !slices.Equal(after, slices.Sorted(slices.Values(before))) {
		t.Errorf("there is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// Without this clean-up could delete definitions that were in the cluster before, and with them whatever uses them.
func TestAzureCleanUpKeepsDefinitions(t *testing.T) {
	s := newShell(t, "demovault.vault.azure.net")
	s.given["CLUSTER_IS"] = "existing"
	s.world.Add("group/demo", nil)
	s.world.Add("cluster/mine", map[string]string{"group": "demo"})
	s.world.Add(strimziCRD+"kafkatopics.kafka.strimzi.io", nil)
	s.world.Add("k8s/mine/KafkaTopic/payments/orders", map[string]string{"json": "{}"})
	before := append(s.resources(), "k8s/mine/RuntimeClass/-/kata-cc-isolation")
	s.must("all", "round-trip")
	if after := s.resources(); !slices.Equal(after, slices.Sorted(slices.Values(before))) {
		t.Errorf("there is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// Without this a user would pay for a cluster and an hour, and then learn that security policies cannot be generated on
// this computer.
func TestAzureNeedsLinux(t *testing.T) {
	s := newShell(t, "demovault.vault.azure.net")
	if err := os.WriteFile(filepath.Join(s.dir, "uname"), []byte("#!/bin/sh\necho Darwin\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := s.run("all")
	for _, want := range []string{"01-check.sh: this is Darwin", "on Linux only", "hint: "} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%q is missing: %v: %s", want, err, out)
		}
	}
	if left := s.resources(); len(left) > 0 {
		t.Errorf("it made %s", left)
	}
}
