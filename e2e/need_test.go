package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// thing is something that a test needs of the machine. missing says in plain
// words what is not there, or nothing.
type thing struct {
	missing func() string
}

func command(what string, names ...string) *thing {
	return &thing{sync.OnceValue(func() string {
		for _, name := range names {
			if _, err := exec.LookPath(name); err == nil {
				return ""
			}
		}
		return what
	})}
}

var (
	openssl = command("openssl", "openssl")
	jq      = command("jq", "jq")
	npm     = command("npm", "npm")
	// Of the scripts in deploy/azure.
	shellcheck = command("shellcheck", "shellcheck")
	chromium   = command("Chromium or Chrome", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
	engine     = &thing{sync.OnceValue(func() string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "images/engine").CombinedOutput(); err != nil {
			return "a Docker engine: " + strings.TrimSpace(string(out))
		}
		return ""
	})}
	compose = &thing{sync.OnceValue(func() string {
		if exec.Command("../deploy/compose/compose", "version").Run() != nil {
			return "docker compose"
		}
		return ""
	})}
	// What an image is made from; pulled where a registry is reachable.
	kafkaImage = images("Kafka's image", "KAFKA_IMAGE", "confluentinc/confluent-local:7.5.0", "kafka-e2ee/kafka:4.3.1")
	golang     = images("Go's image", "BUILD_IMAGE", "golang:1.26-bookworm", "kafka-e2ee/golang:1.26-bookworm")
)

// images needs one of the usual image and the stand-in that setup builds, or
// the one that the variable names.
func images(what, variable, usual, standin string) *thing {
	return &thing{sync.OnceValue(func() string {
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
	})}
}

// need leaves the test out where the machine lacks something, and notes it for
// the end of "make test". With REQUIRE_ALL=1, as in CI, leaving out is a failure.
func need(t testing.TB, things ...*thing) {
	t.Helper()
	// Read at each run, since its value is new in each: so go test never takes an
	// earlier result for one of today's, when only Docker or a script changed.
	leftOut := os.Getenv("LEFT_OUT")
	for _, thing := range things {
		missing := thing.missing()
		if missing == "" {
			continue
		}
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatalf("this machine lacks %s (hint: make setup)", missing)
		}
		if leftOut != "" {
			f, err := os.OpenFile(leftOut, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(f, "%s needs %s\n", t.Name(), missing); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		t.Skipf("this machine lacks %s (hint: make setup)", missing)
	}
}
