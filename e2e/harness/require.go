package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requirement looks for something that a test needs on this machine. It returns what is missing, in plain words, or
// nothing.
type Requirement func() (missing string)

func command(what string, names ...string) Requirement {
	return sync.OnceValue(func() string {
		for _, name := range names {
			if _, err := exec.LookPath(name); err == nil {
				return ""
			}
		}
		return what
	})
}

// What tests require.
var (
	OpenSSL    = command("openssl", "openssl")
	JQ         = command("jq", "jq")
	Curl       = command("curl", "curl")
	NPM        = command("npm", "npm")
	Kcat       = command("kcat", "kcat")
	Shellcheck = command("shellcheck", "shellcheck")
	Promtool   = command("promtool", "promtool")
	Prometheus = command("Prometheus", "prometheus")
	Chromium   = command("Chromium or Chrome", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
	Maven      = Requirement(sync.OnceValue(func() string {
		if exec.Command("mvn", "--version").Run() != nil || exec.Command("javac", "--version").Run() != nil {
			return "Maven and a JDK"
		}
		return ""
	}))
	Node = Requirement(sync.OnceValue(func() string {
		old := exec.Command("node", "-e", `const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || a === 20 && b >= 19 ? 0 : 1)`).Run()
		if old != nil || exec.Command("npm", "--version").Run() != nil {
			return "Node.js 20.19 or later with npm"
		}
		return ""
	}))
	PythonVenv = Requirement(sync.OnceValue(func() string {
		if exec.Command("python3", "-c", "import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))").Run() != nil {
			return "Python 3.10 or later with venv"
		}
		return ""
	}))
	Engine = Requirement(sync.OnceValue(func() string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "../../deploy/docker/engine").CombinedOutput(); err != nil {
			return "a Docker engine: " + strings.TrimSpace(string(out))
		}
		return ""
	}))
	Compose = Requirement(sync.OnceValue(func() string {
		if exec.Command("../../deploy/compose/compose", "version").Run() != nil {
			return "docker compose"
		}
		return ""
	}))
	KafkaImage = image("Kafka's image", "KAFKA_IMAGE", "confluentinc/confluent-local:7.5.0", "kafka-e2ee/kafka:4.3.1")
	GoImage    = image("Go's image", "BUILD_IMAGE", BuildImage(), "kafka-e2ee/golang:1.26-bookworm")
)

// BuildImage returns the compiler's image, as the Dockerfiles name it.
func BuildImage() string {
	text, _ := os.ReadFile("../../Dockerfile.producer") //nolint:errcheck // without the file no image is found
	_, rest, _ := strings.Cut(string(text), "\nARG BUILD_IMAGE=")
	image, _, _ := strings.Cut(rest, "\n")
	return image
}

// image requires the usual image or the stand-in that "make setup" builds, or else the one that the variable names.
func image(what, variable, usual, standin string) Requirement {
	return sync.OnceValue(func() string {
		names := []string{usual, standin}
		if named := os.Getenv(variable); named != "" {
			names = []string{named}
		}
		for _, name := range names {
			if exec.Command("docker", "image", "inspect", name).Run() == nil {
				return ""
			}
		}
		return what
	})
}

// Require skips the test if the machine lacks something, and notes that for the end of "make test". With REQUIRE_ALL=1, as
// in CI, a skip is a failure.
func Require(t testing.TB, requirements ...Requirement) {
	t.Helper()
	for _, requirement := range requirements {
		missing := requirement()
		if missing == "" {
			continue
		}
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatalf("this machine lacks %s (hint: make setup)", missing)
		}
		note(t, "SKIPPED", t.Name()+" needs "+missing)
		t.Skipf("this machine lacks %s (hint: make setup)", missing)
	}
}

// LeaveOut skips a test that is no part of "make test", also with REQUIRE_ALL=1, and notes for the end of "make test" how to
// run it.
func LeaveOut(t testing.TB, how string) {
	t.Helper()
	note(t, "LEFT_OUT", t.Name()+": "+how)
	t.Skipf("left out: %s", how)
}

// note appends a line to the file that "make test" names in a variable.
func note(t testing.TB, variable, line string) {
	t.Helper()
	file := os.Getenv(variable)
	if file == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintln(f, line)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
