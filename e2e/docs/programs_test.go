package docs_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/producer"
	"kafka-e2ee/settings"
)

// Without this somebody could not tell which build misbehaves, or would have to find the pages to learn a setting's name; and a
// mistyped flag could be taken for an outage, or be ignored.
func TestProgramsExplainThemselves(t *testing.T) {
	for command, test := range map[string]struct {
		says    []string // in the help
		mistake []string // arguments
	}{
		"kafka-e2ee/cmd/produce":                  {[]string{"produce encrypts ", "  -stdin\n", "docs/settings.md", settings.Help(new(producer.Config))}, []string{"-nonsense"}},
		"kafka-e2ee/cmd/consume":                  {[]string{"consume reads ", "  -check\n", "docs/settings.md", settings.Help(new(consumer.Config))}, []string{"-nonsense"}},
		"kafka-e2ee/cmd/verify":                   {[]string{"verify checks ", "  -policy FILE\n", "docs/attested-page.md"}, []string{"-nonsense"}},
		"kafka-e2ee/lab/cmd/lab":                  {[]string{"lab runs ", "  -port port\n", "(default 3333)", "lab/README.md"}, []string{"-nonsense"}},
		"kafka-e2ee/lab/cmd/pod":                  {[]string{"pod plays ", "pod lab [options]", "lab/README.md"}, []string{"nonsense"}},
		"kafka-e2ee/lab/cmd/attacks":              {[]string{"attacks attacks ", "  -write documents\n", "docs/attacks.md"}, []string{"-nonsense"}},
		"kafka-e2ee/e2e/cluster/cmd/cluster-test": {[]string{"cluster-test tries ", "  -images registry\n", "deploy/kubernetes/README.md"}, []string{"-nonsense"}},
		"kafka-e2ee/envelope/cmd/envelope":        {[]string{"envelope seals, ", "-bits 3072", "envelope/SPEC.md"}, []string{"open", "-nonsense"}},
	} {
		program := harness.BuildCommand(t, command)
		name := command[strings.LastIndex(command, "/")+1:]
		line := regexp.MustCompile(`^` + name + ` \S+ \(commit \S+, go1\.\S+\)\n$`)
		if out, problems, status := runProgram(t, program, "-version"); status != 0 || problems != "" || !line.MatchString(out) {
			t.Errorf("%s -version: %d, %s%s", name, status, out, problems)
		}
		out, problems, status := runProgram(t, program, "-h")
		if status != 0 || problems != "" || !strings.HasPrefix(out, test.says[0]) {
			t.Errorf("%s -h: %d, %s%s", name, status, out, problems)
		}
		for _, says := range test.says {
			if !strings.Contains(out, says) {
				t.Errorf("%s -h does not say %q, but: %s", name, says, out)
			}
		}
		if out, problems, status := runProgram(t, program, test.mistake...); status != 2 || out != "" || !strings.Contains(problems, "(hint: ") {
			t.Errorf("%s %q: %d, %s%s", name, test.mistake, status, out, problems)
		}
	}
	_, problems, status := runProgram(t, harness.BuildCommand(t, "kafka-e2ee/lab/cmd/pod"), "lab", "-nonsense")
	if status != 2 || !strings.Contains(problems, "(hint: pod lab -h)") {
		t.Errorf("pod lab -nonsense: %d, %s", status, problems)
	}
}

// runProgram runs a program that ends by itself, without any environment.
func runProgram(t *testing.T, program string, args ...string) (out, problems string, status int) {
	t.Helper()
	var text strings.Builder
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stderr = []string{}, &text
	said, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(said), text.String(), cmd.ProcessState.ExitCode()
}
