package azure_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

const (
	strimziCRD = "k8s/mine/CustomResourceDefinition/-/"
	operator   = "k8s/mine/Deployment/kafka/strimzi-cluster-operator"
)

// Without this clean-up could delete another team's Kafka, with all its messages, because deleting a definition deletes
// its objects in the whole cluster, and deleting a namespace deletes everything in it.
func TestAzureCleanUpKeepsOthersObjects(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.given["CLUSTER_IS"] = "existing"
	s.world.Add("group/demo", nil)
	s.world.Add("cluster/mine", map[string]string{"group": "demo"})
	before := append(s.resources(), "k8s/mine/RuntimeClass/-/kata-cc-isolation")
	s.must("all")
	// A program of theirs that was made from our manifests, and has our labels.
	copied := "k8s/mine/Secret/kafka/copied"
	s.world.Add(copied, map[string]string{"json": `{"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": {"app.kubernetes.io/part-of": "kafka-e2ee"}}}`})
	const (
		owned     = `{"metadata": {"ownerReferences": [{"uid": "11111111-0000-0000-0000-000000000000"}]}}`
		ownedHere = `{"metadata": {"ownerReferences": [{"uid": "k8s/mine/Deployment/kafka/theirs"}]}}`
		role      = "k8s/mine/ClusterRoleBinding/-/strimzi-cluster-operator"
	)
	steps := []struct {
		theirs, is string
		says       []string
		saysNot    string
		keeps      []string // with the object itself
	}{
		{ // a topic beside ours, which needs the operator
			"k8s/mine/KafkaTopic/kafka/orders",
			"{}",
			[]string{"the cluster still holds", "KafkaTopic kafka/orders"},
			"",
			[]string{strimziCRD + "kafkatopics.kafka.strimzi.io", operator, "k8s/mine/Namespace/-/kafka"},
		},
		{ // a Kafka elsewhere, which an operator of theirs made from an object of its own
			"k8s/mine/Kafka/payments/ledger",
			owned,
			[]string{"the cluster still holds", "Kafka payments/ledger", "kubectl delete crd "},
			"",
			[]string{strimziCRD + "kafkas.kafka.strimzi.io", operator, role, "k8s/mine/Namespace/-/kafka"},
		},
		{ // Strimzi elsewhere, which uses the roles of ours
			"k8s/mine/Deployment/streaming/strimzi-cluster-operator",
			`{"metadata": {"labels": {"app": "strimzi"}}}`,
			[]string{"another operator of Strimzi uses the roles", "streaming/strimzi-cluster-operator"},
			"",
			[]string{operator, role, "k8s/mine/Namespace/-/kafka"},
		},
		{ // what somebody makes when the operator is gone
			"k8s/mine/StrimziPodSet/payments/ledger",
			owned,
			[]string{"the definition strimzipodsets.core.strimzi.io still holds", "StrimziPodSet payments/ledger", "kubectl delete crd strimzipodsets.core.strimzi.io"},
			"",
			[]string{strimziCRD + "strimzipodsets.core.strimzi.io", "k8s/mine/Namespace/-/kafka"},
		},
		{ // a program beside ours
			"k8s/mine/Deployment/kafka/theirs",
			"{}",
			[]string{"the namespace kafka still holds", "Deployment kafka/theirs", "kubectl delete namespace kafka"},
			"Secret kafka/theirs",
			[]string{"k8s/mine/Namespace/-/kafka"},
		},
		{ // what an object of the whole cluster owns
			"k8s/mine/Secret/kafka/tenant",
			owned,
			[]string{"the namespace kafka still holds", "Secret kafka/tenant"},
			"",
			[]string{"k8s/mine/Namespace/-/kafka"},
		},
	}
	s.world.Add("k8s/mine/Secret/kafka/theirs", map[string]string{"json": ownedHere})
	const later = 3 // the step whose object comes once the operator is gone
	for i, step := range steps {
		if i != later {
			s.world.Add(step.theirs, map[string]string{"json": step.is})
		}
	}
	for i, step := range steps {
		if i == later {
			s.world.Refusals["kubectl delete crd"] = "Unable to connect to the server"
			if out, err := s.run("15-clean-up.sh"); err == nil || slices.Contains(s.resources(), operator) {
				t.Fatalf("the operator is still there: %v: %s", err, out)
			}
			delete(s.world.Refusals, "kubectl delete crd")
			s.world.Add(step.theirs, map[string]string{"json": step.is})
		}
		out, err := s.run("15-clean-up.sh")
		for _, want := range append(step.says, "hint: ", "run this again") {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%q is missing: %v: %s", want, err, out)
			}
		}
		if step.saysNot != "" && strings.Contains(out, step.saysNot) {
			t.Errorf("it names %s: %s", step.saysNot, out)
		}
		for _, kept := range append(step.keeps, step.theirs, copied) {
			if !slices.Contains(s.resources(), kept) {
				t.Errorf("%s is deleted: %s", kept, out)
			}
		}
		s.world.Remove(step.theirs) // it has moved
		s.world.Remove(strings.Replace(step.theirs, "/Deployment/kafka/", "/Secret/kafka/", 1))
	}
	s.world.Remove(copied)
	s.must("15-clean-up.sh")
	if after := s.resources(); !slices.Equal(after, slices.Sorted(slices.Values(before))) {
		t.Errorf("there is\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// Without this clean-up could delete another team's keys, secrets, images, messages or networks, because deleting a vault,
// a registry, Event Hubs' namespace or a network deletes everything in it.
func TestAzureCleanUpKeepsOthersContents(t *testing.T) {
	t.Parallel()
	s := onPlatform(t, "confidential-aci-event-hubs")
	s.must("all")
	steps := []struct{ theirs, in, name string }{
		{"event-hubs/demo-events/orders", "the namespace demo-events", "orders"},
		{"vault/demovault/theirs", "the vault demovault", "theirs"},
		{"vault-secret/demovault/password", "the vault demovault", "password"},
		{"registry/demoimages/shop!web:1", "the registry demoimages", "shop/web"},
		{"registry/demoimages/kafka-e2ee!consumer:theirs", "the registry demoimages", "kafka-e2ee/consumer:theirs"},
		{"network/mine-network/databases", "the network mine-network", "databases"},
	}
	for _, step := range steps {
		s.world.Add(step.theirs, map[string]string{"digest": "sha256:0"})
	}
	// An event hub of ours whose namespace is gone, and a namespace of theirs with its name.
	s.keep("made", s.kept("made")+"event-hub\tdemo\tgone-events\t"+harness.Topic+"\n")
	s.world.Add("event-hubs/"+harness.Topic, map[string]string{"group": "demo"})
	for _, step := range steps {
		out, err := s.run("15-clean-up.sh")
		for _, want := range []string{step.in + " still holds what was not made by these scripts: ", step.name, "hint: delete or move it, then run this again"} {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%q is missing: %v: %s", want, err, out)
			}
		}
		whole := strings.Join(strings.Split(step.theirs, "/")[:2], "/")
		for _, kept := range []string{step.theirs, strings.Replace(whole, "vault-secret", "vault", 1)} {
			if !slices.Contains(s.resources(), kept) {
				t.Errorf("%s is deleted: %s", kept, out)
			}
		}
		s.world.Remove(step.theirs) // it has moved
	}
	s.world.Remove("event-hubs/" + harness.Topic)
	s.must("15-clean-up.sh")
	if left := s.resources(); len(left) > 0 {
		t.Errorf("left over: %s", strings.Join(left, "\n"))
	}
}

// Without this clean-up could delete definitions that were in the cluster before, and with them whatever uses them.
func TestAzureCleanUpKeepsDefinitions(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	harness.WritePrograms(t, func() error {
		return os.WriteFile(filepath.Join(s.dir, "uname"), []byte("#!/bin/sh\necho Darwin\n"), 0o700)
	})
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
