package containers_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// imageTag and demoName are of this checkout: tests of two checkouts may run on one engine.
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
	harness.Require(t, harness.Engine, harness.GoImage)
	if text, err := builtImages(); err != nil {
		t.Fatalf("building images: %v\n%s", err, text)
	}
}

var builtImages = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("../../deploy/images")
	cmd.Env = append(os.Environ(), "TAG="+imageTag, "VERSION=v-of-the-test", "COMMIT=c-of-the-test")
	return cmd.CombinedOutput()
})

func image(program string) string { return "kafka-e2ee/" + program + ":" + imageTag }

const runAs = 65532

// Without this an image could contain a shell or a writable file, run as root, or be too large to start quickly.
func TestImages(t *testing.T) {
	buildImages(t)
	for _, test := range []struct {
		program, command string
		limit            int      // bytes
		volumes          []string // folders that volumes cover, so that its user may write there
	}{
		{"producer", "/produce", 16_000_000, nil},
		{"consumer", "/consume", 20_000_000, nil},
		{"verify", "/verify", 15_000_000, nil},
		{"lab", "/pod", 30_000_000, []string{"/keys/", "/keys/private/", "/keys/public/", "/starter/"}},
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
			if err := json.Unmarshal([]byte(harness.Docker(t, "image", "inspect", image(test.program))), &facts); err != nil {
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
				if mode.Perm()&0o022 != 0 || file.Uid == runAs && mode.Perm()&0o200 != 0 && !slices.Contains(test.volumes, name) {
					t.Errorf("its user, or every user, can write to %s (%v)", name, mode)
				}
				if mode&(os.ModeSetuid|os.ModeSetgid) != 0 || file.PAXRecords["SCHILY.xattr.security.capability"] != "" {
					t.Errorf("%s gives extra rights to its caller (%v)", name, mode)
				}
			}
		})
	}
}

// Without this a cluster with strict rules would not start the programs, and a health check could never fail.
func TestImagesRunConfined(t *testing.T) {
	t.Parallel()
	buildImages(t)
	key := harness.PublicPEM(t, &harness.NewKey(t).PublicKey)
	for program, command := range map[string]string{"producer": "/produce", "consumer": "/consume"} {
		t.Run(program, func(t *testing.T) {
			id := harness.Docker(t, "run", "--detach", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--publish", "127.0.0.1::9999",
				"--env", "BROKERS=127.0.0.1:9", "--env", "METRICS_ADDR=:9999", "--env", "MSG=x", "--env", "PUBKEY="+key, image(program))
			defer harness.Docker(t, "rm", "--force", id)
			p := &harness.Pod{T: t, Log: new(harness.LogBuffer)}
			p.Wait("its health check succeeds", func() bool { return exec.Command("docker", "exec", id, command, "-check").Run() == nil })

			metrics := string(p.Get("http://" + harness.Docker(t, "port", id, "9999/tcp") + "/metrics"))
			if want := fmt.Sprintf(`e2ee_build_info{commit="c-of-the-test",program="%s",version="v-of-the-test"} 1`, command[1:]); !strings.Contains(metrics, want) {
				t.Errorf("its metrics lack %s", want)
			}

			out, err := exec.Command("docker", "exec", "--env", "METRICS_ADDR=:9998", id, command, "-check").CombinedOutput()
			if err == nil || strings.Count(strings.TrimSpace(string(out)), "\n") != 0 || !strings.Contains(string(out), "refused") {
				t.Errorf("asked where nothing answers: %v, %s", err, out)
			}

			// -check-or-stop ends the container, and a restart policy starts it again.
			out, err = exec.Command("docker", "exec", "--env", "METRICS_ADDR=:9998", id, command, "-check-or-stop").CombinedOutput()
			if err == nil {
				t.Errorf("asked where nothing answers: %s", out)
			}
			harness.Docker(t, "wait", id)
		})
	}
}

// Without this a viewer could not run verify from its image, with no rights at all.
func TestVerifyRunsConfined(t *testing.T) {
	t.Parallel()
	buildImages(t)
	confined := []string{"run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", image("verify")}
	if help := harness.Docker(t, append(confined, "-h")...); !strings.Contains(help, "verify -policy FILE [flags] https://HOST[:PORT]") {
		t.Errorf("its help is %s", help)
	}
	err := exec.Command("docker", append(confined, "-maa", "maa.example", "-hostdata", strings.Repeat("0", 64), "https://page.example")...).Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 {
		t.Errorf("without a network it ended with %v, want status 2: not checked", err)
	}
}

// Without this Go's runtime would not know the container's memory limit, and the kernel would kill a program that could
// have collected its garbage.
func TestImagesKeepWithinTheirMemory(t *testing.T) {
	t.Parallel()
	buildImages(t)
	key := harness.PublicPEM(t, &harness.NewKey(t).PublicKey)
	for _, program := range []string{"producer", "consumer"} {
		for name, c := range map[string]struct {
			options []string
			want    float64
		}{
			"limited":       {[]string{"--memory", "256m"}, 0.9 * (256 << 20)},
			"by GOMEMLIMIT": {[]string{"--memory", "256m", "--env", "GOMEMLIMIT=100MiB"}, 100 << 20},
			"unlimited":     {nil, math.MaxInt64},
		} {
			t.Run(program+", "+name, func(t *testing.T) {
				id := harness.Docker(t, append(append([]string{"run", "--detach", "--read-only", "--cap-drop", "ALL", "--publish", "127.0.0.1::9999"}, c.options...),
					"--env", "BROKERS=127.0.0.1:9", "--env", "METRICS_ADDR=:9999", "--env", "MSG=x", "--env", "PUBKEY="+key, image(program))...)
				defer harness.Docker(t, "rm", "--force", id)
				p := &harness.Pod{T: t, Log: new(harness.LogBuffer)}
				address := "http://" + harness.Docker(t, "port", id, "9999/tcp") + "/metrics"
				p.Wait("it has metrics", func() bool { return p.Get(address) != nil })
				_, value, _ := strings.Cut(string(p.Get(address)), "\ngo_gc_gomemlimit_bytes ")
				value, _, _ = strings.Cut(value, "\n")
				if got, err := strconv.ParseFloat(value, 64); err != nil || math.Abs(got-c.want) > 1 {
					t.Errorf("Go's memory limit is %s bytes, want %.0f: %v", value, c.want, err)
				}
				if logged, err := exec.Command("docker", "logs", id).CombinedOutput(); err != nil || strings.Contains(string(logged), "memory") {
					t.Errorf("it says: %v: %s", err, logged)
				}
			})
		}
	}
}

// Without this half of the presenters could not build the images for their computers.
func TestProgramsBuildForARM(t *testing.T) {
	t.Parallel()
	buildImages(t)
	for program, name := range map[string]string{"producer": "produce", "consumer": "consume", "verify": "verify"} {
		file, err := elf.NewFile(bytes.NewReader(buildProgram(t, program, name, "--platform", "linux/arm64")))
		if err != nil {
			t.Fatal(err)
		}
		if file.Machine != elf.EM_AARCH64 {
			t.Errorf("%s is for %s", name, file.Machine)
		}
	}
}

// buildProgram returns the program that the Dockerfile builds.
func buildProgram(t testing.TB, program, name string, options ...string) []byte {
	t.Helper()
	client, err := exec.Command("../../deploy/buildkit").Output()
	if err != nil {
		t.Fatal(err)
	}
	base, err := exec.Command("../../deploy/docker/choose", harness.BuildImage(), "kafka-e2ee/golang:1.26-bookworm").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := append([]string{
		"build", "--quiet", "--file", "../../Dockerfile." + program, "--target", "program", "--output", dir,
		"--build-arg", "BUILD_IMAGE=" + strings.TrimSpace(string(base)), "--build-arg", "COMMIT=c-of-the-test",
	}, options...)
	if proxy := os.Getenv("GOPROXY"); proxy != "" {
		args = append(args, "--build-arg", "GOPROXY")
	}
	cmd := exec.Command(strings.TrimSpace(string(client)), append(args, "../..")...)
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
