package azure_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this whoever may write the container group could deploy it again under the same policy, without the variables
// that ask for a password or a signature: the key would be released to a consumer that shows everything to everyone.
func TestAzureContainerGroupWithoutAVariable(t *testing.T) {
	t.Parallel()
	s := onPlatform(t, "container-group-own-kafka")
	s.must("all")
	program := harness.Build(t, "consume")
	env := s.groupEnv("kafka-golang-consumer")
	if len(env) < 15 {
		t.Fatalf("only %d variables", len(env))
	}
	text, policy, err := s.world.Group("kafka-golang-consumer")
	if err != nil {
		t.Fatal(err)
	}
	for name := range env {
		variables, command := s.redeploy(text, "", func(variable string) bool { return variable != name })
		if _, again, err := s.world.Group("kafka-golang-consumer"); err != nil || string(again) != string(policy) {
			t.Fatalf("without %s: %v, or another measurement", name, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
		cmd := exec.CommandContext(ctx, program, command[1:]...)
		cmd.Env = append(variables, "METRICS_ADDR=")
		out, _ := cmd.CombinedOutput() //nolint:errcheck // its exit status is checked
		cancel()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), name+": is missing or empty, but the flag -require names it") {
			t.Errorf("without %s: exit status %d: %s", name, cmd.ProcessState.ExitCode(), out)
		}
	}
	// The policy fixes the command that names them, and the values.
	all := func(string) bool { return true }
	for _, command := range []string{`["/consume"]`, `["/consume", "-version"]`} {
		s.refusesGroup(text, command, all)
	}
	s.refusesGroup(strings.Replace(text, `":3443"`, `":3333"`, 1), "", all)
}

// edited returns a template with the consumer's command, unless it is empty, and only the variables that are kept.
func (s *shell) edited(template, command string, keep func(string) bool) (file string, variables, args []string) {
	s.t.Helper()
	var whole map[string]any
	if err := json.Unmarshal([]byte(template), &whole); err != nil {
		s.t.Fatal(err)
	}
	properties := whole["resources"].([]any)[0].(map[string]any)["properties"].(map[string]any)["containers"].([]any)[0].(map[string]any)["properties"].(map[string]any) //nolint:errcheck,forcetypeassert // a template that was deployed
	list := slices.DeleteFunc(properties["environmentVariables"].([]any), func(v any) bool {                                                                             //nolint:errcheck,forcetypeassert // as above
		return !keep(v.(map[string]any)["name"].(string)) //nolint:errcheck,forcetypeassert // as above
	})
	properties["environmentVariables"] = list
	for _, v := range list {
		variables = append(variables, v.(map[string]any)["name"].(string)+"="+v.(map[string]any)["value"].(string)) //nolint:errcheck,forcetypeassert // as above
	}
	if command != "" {
		properties["command"] = json.RawMessage(command)
	} else {
		for _, arg := range properties["command"].([]any) { //nolint:errcheck,forcetypeassert // as above
			args = append(args, arg.(string)) //nolint:errcheck,forcetypeassert // as above
		}
	}
	text, err := json.Marshal(whole)
	if err != nil {
		s.t.Fatal(err)
	}
	file = filepath.Join(s.dir, "edited.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file, variables, args
}

// deploy replaces the consumer's container group, as anyone may who can write it.
func (s *shell) deploy(file string) ([]byte, error) {
	s.t.Helper()
	az := func(args ...string) ([]byte, error) {
		command := exec.Command(filepath.Join(s.dir, "az"), args...)
		command.Env = s.env()
		return command.CombinedOutput()
	}
	//nolint:errcheck // there is none after a deployment that was refused
	az("container", "delete", "--resource-group", "demo", "--name", "kafka-golang-consumer", "--yes")
	return az("deployment", "group", "create", "--resource-group", "demo", "--name", "kafka-golang-consumer", "--template-file", file)
}

func (s *shell) redeploy(template, command string, keep func(string) bool) (variables, args []string) {
	s.t.Helper()
	file, variables, args := s.edited(template, command, keep)
	if out, err := s.deploy(file); err != nil {
		s.t.Fatalf("real policies let variables be left out: %v: %s", err, out)
	}
	return variables, args
}

func (s *shell) refusesGroup(template, command string, keep func(string) bool) {
	s.t.Helper()
	file, _, _ := s.edited(template, command, keep)
	if out, err := s.deploy(file); err == nil || !strings.Contains(string(out), "denied due to policy") {
		s.t.Errorf("command %s: %v: %s", command, err, out)
	}
}
