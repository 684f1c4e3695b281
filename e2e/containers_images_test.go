package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// imageTag belongs to this checkout, as the demo's name does: tests of two of
// them may run on one engine.
var imageTag = "test-" + checkout()

func checkout() string {
	dir, err := os.Getwd()
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:8]
}

// buildImages builds all images from this working tree, once.
func buildImages(t testing.TB) {
	t.Helper()
	need(t, engine, golang)
	if text, err := builtImages(); err != nil {
		t.Fatalf("building images: %v\n%s", err, text)
	}
}

var builtImages = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("../deploy/images")
	cmd.Env = append(os.Environ(), "TAG="+imageTag, "VERSION=v-of-the-test", "COMMIT=c-of-the-test")
	return cmd.CombinedOutput()
})

func image(program string) string { return "kafka-e2ee/" + program + ":" + imageTag }

const runAs = 65532

// Without it an image could grow a shell or a place to leave something in, run as
// root, or be too large to start a pod from quickly.
func TestImages(t *testing.T) {
	buildImages(t)
	for _, test := range []struct {
		program, command string
		limit            int // bytes
	}{
		{"producer", "/produce", 15_000_000},
		{"consumer", "/consume", 20_000_000},
	} {
		t.Run(test.program, func(t *testing.T) {
			var facts []struct {
				Size   int
				Config struct {
					User       string
					Entrypoint []string
					Labels     map[string]string
				}
			}
			if err := json.Unmarshal([]byte(docker(t, "image", "inspect", image(test.program))), &facts); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %.1f MB", test.program, float64(facts[0].Size)/1e6)
			if facts[0].Size > test.limit {
				t.Errorf("%d bytes, limit %d", facts[0].Size, test.limit)
			}
			config := facts[0].Config
			if config.User != fmt.Sprintf("%d:%d", runAs, runAs) || strings.Join(config.Entrypoint, " ") != test.command {
				t.Errorf("user %q, entrypoint %q", config.User, config.Entrypoint)
			}
			for _, label := range []string{"title", "description", "licenses", "version", "revision"} {
				if config.Labels["org.opencontainers.image."+label] == "" {
					t.Errorf("the label %s is missing", label)
				}
			}
			for _, file := range filesOf(t, image(test.program)) {
				name, mode := "/"+strings.TrimPrefix(file.Name, "./"), file.FileInfo().Mode()
				if mode.IsRegular() && mode.Perm()&0o111 != 0 && name != test.command {
					t.Errorf("there is another program: %s", name)
				}
				if mode.Perm()&0o022 != 0 || file.Uid == runAs && mode.Perm()&0o200 != 0 {
					t.Errorf("its user, or any, may write to %s (%v)", name, mode)
				}
				if mode&(os.ModeSetuid|os.ModeSetgid) != 0 || file.PAXRecords["SCHILY.xattr.security.capability"] != "" {
					t.Errorf("%s gives rights to whoever runs it (%v)", name, mode)
				}
			}
		})
	}
}

// Without it a cluster that allows only what is safe would not start the
// programs, and a health check could never fail.
func TestImagesRunConfined(t *testing.T) {
	t.Parallel()
	buildImages(t)
	key := publicPEM(t, &newKey(t).PublicKey)
	for program, command := range map[string]string{"producer": "/produce", "consumer": "/consume"} {
		t.Run(program, func(t *testing.T) {
			id := docker(t, "run", "--detach", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--publish", "127.0.0.1::9999",
				"--env", "BROKERS=127.0.0.1:9", "--env", "METRICS_ADDR=:9999", "--env", "MSG=x", "--env", "PUBKEY="+key, image(program))
			defer docker(t, "rm", "--force", id)
			p := &pod{t: t, log: new(buffer)}
			p.wait("it says that it lives", func() bool { return exec.Command("docker", "exec", id, command, "-check").Run() == nil })

			metrics := string(p.get("http://" + docker(t, "port", id, "9999/tcp") + "/metrics"))
			if want := fmt.Sprintf(`e2ee_build_info{commit="c-of-the-test",program="%s",version="v-of-the-test"} 1`, command[1:]); !strings.Contains(metrics, want) {
				t.Errorf("its metrics lack %s", want)
			}

			out, err := exec.Command("docker", "exec", "--env", "METRICS_ADDR=:9998", id, command, "-check").CombinedOutput()
			if err == nil || strings.Count(strings.TrimSpace(string(out)), "\n") != 0 || !strings.Contains(string(out), "refused") {
				t.Errorf("asked where nothing answers: %v, %s", err, out)
			}

			// What -check-or-stop is there for: the container ends, and a restart policy starts it again.
			out, err = exec.Command("docker", "exec", "--env", "METRICS_ADDR=:9998", id, command, "-check-or-stop").CombinedOutput()
			if err == nil {
				t.Errorf("asked where nothing answers: %s", out)
			}
			docker(t, "wait", id)
		})
	}
}

// Without it the images could not be built for the machines that half of the
// presenters have.
func TestProgramsBuildForARM(t *testing.T) {
	t.Parallel()
	buildImages(t)
	for program, name := range map[string]string{"producer": "produce", "consumer": "consume"} {
		file, err := elf.NewFile(bytes.NewReader(buildProgram(t, program, name, "--platform", "linux/arm64")))
		if err != nil {
			t.Fatal(err)
		}
		if file.Machine != elf.EM_AARCH64 {
			t.Errorf("%s is for %s", name, file.Machine)
		}
	}
}

// buildProgram gives the program that the Dockerfile builds.
func buildProgram(t testing.TB, program, name string, options ...string) []byte {
	t.Helper()
	client, err := exec.Command("../deploy/buildkit").Output()
	if err != nil {
		t.Fatal(err)
	}
	base, err := exec.Command("images/choose", "golang:1.26-bookworm", "kafka-e2ee/golang:1.26-bookworm").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := append([]string{
		"build", "--quiet", "--file", "../Dockerfile." + program, "--target", "program", "--output", dir,
		"--build-arg", "BUILD_IMAGE=" + strings.TrimSpace(string(base)), "--build-arg", "COMMIT=c-of-the-test",
	}, options...)
	if proxy := os.Getenv("GOPROXY"); proxy != "" {
		args = append(args, "--build-arg", "GOPROXY")
	}
	cmd := exec.Command(strings.TrimSpace(string(client)), append(args, "..")...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, text)
	}
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
