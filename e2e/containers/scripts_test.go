package containers_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this a mistyped port would be read as another one, or end in one of Docker's errors.
func TestPortsOfTheDemo(t *testing.T) {
	for _, value := range []string{"abc", "0", "70000", "3333 4444", "-1", "03333"} {
		command := exec.Command("../../deploy/compose/up")
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "KAFKA_PORT=" + value}
		if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "KAFKA_PORT is not a port") {
			t.Errorf("KAFKA_PORT=%s: %v: %s", value, err, out)
		}
	}
}

// Without this a mistyped choice would start another demo than was meant, or none, without saying which there are.
func TestChoicesOfTheDemo(t *testing.T) {
	harness.Require(t, harness.Engine, harness.KafkaImage)
	buildImages(t)
	up := func(choice string) (string, error) {
		command := exec.Command("../../deploy/compose/up")
		command.Env = append(os.Environ(), "PROJECT=kafka-e2ee-wrong", "TAG="+imageTag, "PORT="+portOf(t, harness.FreeAddr(t)), "ORDINARY_PORT="+portOf(t, harness.FreeAddr(t)),
			"CONSOLE_PORT="+portOf(t, harness.FreeAddr(t)), "KAFKA_PORT="+portOf(t, harness.FreeAddr(t)), choice)
		out, err := command.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for choice, want := range map[string]string{
		"FORMAT=pgp":    `the format "pgp" is not known (hint: rsa, envelope-unsigned, envelope, jwe)`,
		"SCENARIO=sunk": `the scenario "sunk" is not known (hint: good, tampered, debug, no-role, late, rotate, throttled, impostor, ordinary)`,
		"DATA=secrets":  `the data "secrets" are not known (hint: msg, payments)`,
	} {
		if text, err := up(choice); err == nil || text != "up: "+want {
			t.Errorf("%s: %v: %s", choice, err, text)
		}
	}
	if text, err := up("SCENARIO=help"); err != nil || !strings.Contains(text, "  tampered ") || strings.Contains(text, "http") {
		t.Errorf("SCENARIO=help: %v: %s", err, text)
	}
}

// Without this a failed first try would print a page of output that does not say what to do.
func TestScriptsSayWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	fake := func(name, script string) string {
		dir := filepath.Join(folder, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return "PATH=" + dir + ":" + os.Getenv("PATH")
	}
	// The tools that the scripts use, and no docker.
	bare := filepath.Join(folder, "bare")
	if err := os.Mkdir(bare, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"bash", "dirname", "sort", "awk", "sed"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bare, tool)); err != nil {
			t.Fatal(err)
		}
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := portOf(t, busy.Addr().String())

	for _, test := range []struct {
		name, script string
		env          []string
		needs        []harness.Requirement
		want         []string
	}{
		{"no docker", "compose/up", []string{"PATH=" + bare}, nil, []string{"docker is not installed", "make setup"}},
		{"no engine", "compose/up", []string{"DOCKER_HOST=unix:///nonexistent/docker.sock"}, []harness.Requirement{harness.Engine}, []string{"no Docker engine answers", "make setup"}},
		{"no permission", "compose/up", []string{fake("denied", "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1")}, nil, []string{"no permission", "usermod"}},
		{"no BuildKit", "images", []string{fake("old", "if [ \"$1\" = --version ]; then echo 'Docker version 28.0.0, build 0'; else exit 1; fi"), "PATH=" + filepath.Join(folder, "old") + ":" + bare}, nil, []string{"BuildKit", "make setup"}},
		{"port taken", "compose/up", []string{"PORT=" + port, "ORDINARY_PORT=" + port}, []harness.Requirement{harness.Engine}, []string{"port " + port + " is taken", "PORT="}},
		{"no such Kafka", "compose/up", []string{"KAFKA_IMAGE=kafka-e2ee/no-such-image:0"}, []harness.Requirement{harness.Engine}, []string{"kafka-e2ee/no-such-image:0", "cannot be pulled"}},
		{"not built", "compose/up", []string{"TAG=never-built"}, []harness.Requirement{harness.Engine, harness.KafkaImage}, []string{"never-built", "make images"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			harness.Require(t, test.needs...)
			cmd := exec.Command("../../deploy/" + test.script)
			free := []string{"PROJECT=kafka-e2ee-wrong", "PORT=" + portOf(t, harness.FreeAddr(t)), "ORDINARY_PORT=" + portOf(t, harness.FreeAddr(t)), "CONSOLE_PORT=" + portOf(t, harness.FreeAddr(t)), "KAFKA_PORT=" + portOf(t, harness.FreeAddr(t))}
			cmd.Env = append(append(os.Environ(), free...), test.env...)
			out, err := cmd.CombinedOutput()
			text := strings.TrimSpace(string(out))
			if err == nil || strings.Contains(text, "\n") {
				t.Errorf("want failure and one line, got %v and\n%s", err, text)
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in: %s", want, text)
				}
			}
		})
	}
}
