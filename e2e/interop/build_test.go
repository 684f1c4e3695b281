package interop_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// The examples are built as their README says. What the languages' package managers download stays for the next time.

func buildGo(t *testing.T) []string {
	t.Helper()
	out := harness.Path(t, ".cache/e2e/go-franz")
	run(t, "../../examples/go-franz", []string{"GOWORK=off", "CGO_ENABLED=0"}, "go", "build", "-o", out, ".")
	return []string{out}
}

func buildJava(t *testing.T) []string {
	t.Helper()
	defer harness.Lock(t, "java-"+checkout(t))()
	run(t, "../../examples/java", nil, "mvn", "--quiet", "--batch-mode", "--no-transfer-progress", "package")
	return []string{"java", "-cp", javaClasses(t), "example.Main"}
}

func javaClasses(t *testing.T) string {
	t.Helper()
	target := harness.Path(t, "examples/java/target")
	return filepath.Join(target, "classes") + string(filepath.ListSeparator) + filepath.Join(target, "lib", "*")
}

func buildPython(t *testing.T) []string {
	t.Helper()
	defer harness.Lock(t, "python-"+checkout(t))()
	requirements := harness.Path(t, "examples/python/requirements.txt")
	venv := harness.Path(t, fmt.Sprintf(".cache/example-python-%.12x", sha256.Sum256([]byte(read(t, requirements)))))
	python := filepath.Join(venv, "bin", "python")
	if _, err := os.Stat(filepath.Join(venv, "ready")); err != nil {
		run(t, ".", nil, "python3", "-m", "venv", "--clear", venv)
		run(t, ".", nil, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", requirements)
		write(t, filepath.Join(venv, "ready"), "")
	}
	return []string{python, harness.Path(t, "examples/python/jwe_kafka.py")}
}

func buildNode(t *testing.T) []string {
	t.Helper()
	defer harness.Lock(t, "node-"+checkout(t))()
	dir := harness.Path(t, "examples/node")
	lock, installed := read(t, filepath.Join(dir, "package-lock.json")), filepath.Join(dir, "node_modules", "installed")
	if text, err := os.ReadFile(installed); err != nil || string(text) != lock {
		run(t, dir, nil, "npm", "ci", "--silent")
		write(t, installed, lock)
	}
	run(t, dir, nil, "npm", "run", "--silent", "check") // the types
	return []string{"node", filepath.Join(dir, "jwe_kafka.js")}
}

func buildShell(t *testing.T) []string {
	t.Helper()
	return []string{"sh", "-c", `exec "$0/$1"`, harness.Path(t, "examples/shell")}
}

// checkout names this checkout, for locks: tests of several may run at once.
func checkout(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%.8x", sha256.Sum256([]byte(harness.Path(t, "."))))
}

// ownGroup gives a command a process group of its own, and returns what ends it with all that it started.
func ownGroup(cmd *exec.Cmd) (stop func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } //nolint:errcheck // it may have ended
}
