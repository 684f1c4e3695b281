package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this somebody who asks a script for help would start it, or get an error.
func TestScriptsExplainThemselves(t *testing.T) {
	scripts := []string{"images", "buildkit", "compose/up", "coco/initdata", "coco/trustee", "azure/all", "azure/measure", "azure/setup-key.sh", "../tools/setup", "docker/build"}
	stages, err := filepath.Glob("../../deploy/azure/[0-9]*.sh")
	if err != nil || len(stages) != 15 {
		t.Fatalf("%d stages, %v", len(stages), err)
	}
	for _, stage := range stages {
		scripts = append(scripts, "azure/"+filepath.Base(stage))
	}
	// Help needs no command except those of a shell: it does nothing else.
	tools := t.TempDir()
	for _, tool := range []string{"bash", "env", "awk", "dirname", "basename"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(tools, tool)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(script string, args ...string) (string, error) {
		command := exec.Command(harness.Path(t, "deploy/"+script), args...)
		command.Dir, command.Env = t.TempDir(), []string{"PATH=" + tools, "AZURE_SETTINGS=/nowhere"}
		out, err := command.CombinedOutput()
		return string(out), err
	}
	for _, script := range scripts {
		text, err := os.ReadFile(harness.Path(t, "deploy/"+script))
		if err != nil {
			t.Fatal(err)
		}
		first := strings.TrimPrefix(strings.Split(string(text), "\n")[1], "# ")
		for _, flag := range []string{"--help", "-h"} {
			if out, err := run(script, flag); err != nil || !strings.HasPrefix(out, first+"\n") || strings.Contains(out, "set -") {
				t.Errorf("%s %s: %v: %s", script, flag, err, out)
			}
		}
		if out, err := run(script, "--nonsense"); err == nil {
			t.Errorf("%s --nonsense: %s", script, out)
		}
	}
	for _, args := range [][]string{{"everything"}, {"down", "round-trip"}, {"--dry"}} {
		if out, err := run("azure/all", args...); err == nil || !strings.Contains(out, "all --help") {
			t.Errorf("all %v: %v: %s", args, err, out)
		}
	}
}
