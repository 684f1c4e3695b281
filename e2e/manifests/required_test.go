package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	progsettings "kafka-e2ee/settings"
)

// harmlessIfAbsent are the consumer's variables that its command need not name, and what happens without them.
var harmlessIfAbsent = map[string]string{
	"SkrClientKID":           "no key is requested",
	"SkrClientMAAEndpoint":   "no key is requested",
	"SkrClientAKVEndpoint":   "no key is requested",
	"KEY_PROVIDER":           "no key is requested: the sidecar's settings are missing",
	"KAFKA_CLIENT_CERT_FILE": "Kafka refuses the connection",
	"KAFKA_CLIENT_KEY_FILE":  "Kafka refuses the connection",
	"WEB_NOTICE":             "the debug variant, which gets no key, does not say so",
}

// withoutRequired returns a command without its flags -require, and the names in them.
func withoutRequired(command []string) (rest []string, required progsettings.Required, err error) {
	for _, arg := range command {
		names, is := strings.CutPrefix(arg, "-require=")
		if !is {
			rest = append(rest, arg)
			continue
		}
		if err := required.Set(names); err != nil {
			return nil, nil, err
		}
	}
	return rest, required, nil
}

// requires checks that the consumer's command names every variable whose absence would weaken it, and no other than the
// pod has: a new variable of a component must be named, or be listed as harmless.
func requires(in *corev1.Container, required progsettings.Required, lookup func(string) (string, bool)) error {
	problems := []error{required.Check(new(consumer.Config), lookup)}
	for _, e := range in.Env {
		if harmlessIfAbsent[e.Name] == "" && !slices.Contains(required, e.Name) {
			problems = append(problems, fmt.Errorf("%s: %s can be left out under the same policy: the command does not require it", in.Name, e.Name))
		}
	}
	return errors.Join(problems...)
}

// Without this a cluster's administrator could leave out the variable that asks for a password, a signature or a certain
// key: a pod's policy lets them, the measurement stays the same, and the key would be released to a consumer that shows
// everything to everyone.
func TestNothingCanBeLeftOut(t *testing.T) {
	t.Parallel()
	program := harness.Build(t, "consume")
	for _, chosen := range []choice{
		{kataCC, []string{"settings", "page-attested", "sign-in", "strict", "strimzi", "strimzi-mtls"}},
		{aci, []string{"settings", "page-attested", "sign-in", "strict", "event-hubs"}},
		{coco, []string{"settings", "page-tls", "sign-in", "expected-keys", "strimzi"}},
	} {
		_, c := chosen.renders(t)
		measuredPod, err := c.consumer()
		if err != nil {
			t.Fatal(err)
		}
		policy := generate(measuredPod)
		in := container(measuredPod, consumerName)
		checked := 0
		for _, left := range in.Env {
			if harmlessIfAbsent[left.Name] != "" {
				continue
			}
			checked++
			deployed := measuredPod.DeepCopy()
			pod := container(deployed, consumerName)
			pod.Env = slices.DeleteFunc(pod.Env, func(e corev1.EnvVar) bool { return e.Name == left.Name })
			if !policy.starts(deployed) {
				t.Errorf("%s: real policies let %s be left out", chosen, left.Name)
			}
			ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
			cmd := exec.CommandContext(ctx, program, pod.Command[1:]...)
			cmd.Env = []string{"METRICS_ADDR="}
			for _, e := range pod.Env {
				cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
			}
			out, _ := cmd.CombinedOutput() //nolint:errcheck // its exit status is checked
			cancel()
			if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), left.Name+": is missing or empty, but the flag -require names it") {
				t.Errorf("%s without %s: exit status %d: %s", chosen, left.Name, cmd.ProcessState.ExitCode(), out)
			}
			without := measuredPod.DeepCopy()
			pod = container(without, consumerName)
			pod.Command = slices.DeleteFunc(pod.Command, func(arg string) bool { return strings.Contains(arg, left.Name) })
			if policy.starts(without) {
				t.Errorf("%s: the policy accepts another command", chosen)
			}
		}
		if checked < 5 {
			t.Errorf("%s: only %d variables are required", chosen, checked)
		}
	}
}
