package harness

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Verify runs the program verify, with an environment of its own, and returns its exit status and what it printed. If the
// pod has no attestation now, because it has just begun, it runs it again, as the program advises.
func Verify(t testing.TB, env []string, args ...string) (status int, out string) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		status, out = verifyOnce(t, env, args)
		if !strings.Contains(out, "the server has none now") || time.Since(start) > Timeout {
			return status, out
		}
	}
}

func verifyOnce(t testing.TB, env, args []string) (status int, out string) {
	t.Helper()
	var text bytes.Buffer
	cmd := exec.CommandContext(t.Context(), Build(t, "verify"), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, env...), &text, &text
	if err := cmd.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), text.String()
		}
		t.Fatalf("running verify: %v\n%s", err, text.String())
	}
	return 0, text.String()
}

// OpenVerified runs verify -open until the test ends, and returns the one-time address that it prints.
func OpenVerified(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(Build(t, "verify"), append([]string{"-open"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	problems := new(LogBuffer)
	cmd.Stderr = problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("verify -open ended with %v: %s", err, problems)
		}
	})
	var printed strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		printed.WriteString(lines.Text() + "\n")
		if address := strings.TrimSpace(lines.Text()); strings.HasPrefix(address, "http://") {
			go io.Copy(io.Discard, out) //nolint:errcheck // ends with the program
			return address
		}
	}
	t.Fatalf("verify -open printed no address: %s%s", printed.String(), problems)
	return ""
}

// VerifyArgs returns the arguments of the verify command that the lab has printed.
func (l *Lab) VerifyArgs(t testing.TB) []string {
	t.Helper()
	var args []string
	Eventually(t, "the lab prints the command verify", func() bool {
		_, command, found := strings.Cut(l.Output(), "go run ./cmd/verify ")
		line, _, whole := strings.Cut(command, "\n")
		args = strings.Fields(line)
		return found && whole
	})
	return args
}
