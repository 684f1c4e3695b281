package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Without it a first try that goes wrong ends in a page of output that does not
// say what to do.
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
		needs        []*thing
		want         []string
	}{
		{"no docker", "compose/up", []string{"PATH=" + bare}, nil, []string{"docker is not installed", "make setup"}},
		{"no engine", "compose/up", []string{"DOCKER_HOST=unix:///nonexistent/docker.sock"}, []*thing{engine}, []string{"no Docker engine answers", "make setup"}},
		{"no permission", "compose/up", []string{fake("denied", "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1")}, nil, []string{"no permission", "usermod"}},
		{"no BuildKit", "images", []string{fake("old", "if [ \"$1\" = --version ]; then echo 'Docker version 28.0.0, build 0'; else exit 1; fi"), "PATH=" + filepath.Join(folder, "old") + ":" + bare}, nil, []string{"BuildKit", "make setup"}},
		{"port taken", "compose/up", []string{"PORT=" + port, "ORDINARY_PORT=" + port}, []*thing{engine}, []string{"port " + port + " is taken", "PORT="}},
		{"no such Kafka", "compose/up", []string{"KAFKA_IMAGE=kafka-e2ee/no-such-image:0"}, []*thing{engine}, []string{"kafka-e2ee/no-such-image:0", "cannot be pulled"}},
		{"not built", "compose/up", []string{"TAG=never-built"}, []*thing{engine, kafkaImage}, []string{"never-built", "make images"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			need(t, test.needs...)
			cmd := exec.Command("../deploy/" + test.script)
			free := []string{"PROJECT=kafka-e2ee-wrong", "PORT=" + portOf(t, freeAddr(t)), "ORDINARY_PORT=" + portOf(t, freeAddr(t)), "KAFKA_PORT=" + portOf(t, freeAddr(t))}
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
