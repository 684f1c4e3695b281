package starter

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program tells the folder with which settings it runs, and that it was told to end.
const program = `trap 'echo ended >>"$0"; exit 0' TERM; echo "$KEPT $CHOSEN" >>"$0"; while :; do sleep 0.05; done`

func said(t *testing.T, file, want string) {
	t.Helper()
	var text []byte
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if text, _ = os.ReadFile(file); string(text) == want { //nolint:errcheck // it may not be there yet
			return
		}
	}
	t.Fatalf("the program said %q, want %q", text, want)
}

func choose(t *testing.T, dir, chosen string) {
	t.Helper()
	if err := Order(dir, "pod", map[string]string{"CHOSEN": chosen}); err != nil {
		t.Fatal(err)
	}
}

// Without this a pod would keep the key of the scenario before, or would not come up with the settings of the next one.
func TestEachOrderStartsTheProgramAgain(t *testing.T) {
	t.Setenv("KEPT", "kept")
	t.Setenv("CHOSEN", "the container's")
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, dir, "pod", []string{"sh", "-c", program, told}) }()
	time.Sleep(2 * lookEvery)
	if _, err := os.Stat(told); err == nil {
		t.Error("the program runs before the lab has said how")
	}
	choose(t, dir, "first")
	said(t, told, "kept first\n")
	choose(t, dir, "second")
	said(t, told, "kept first\nended\nkept second\n")
	choose(t, dir, "second") // a scenario begins once more
	said(t, told, "kept first\nended\nkept second\nended\nkept second\n")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("told to end: %v", err)
	}
	said(t, told, "kept first\nended\nkept second\nended\nkept second\nended\n")
}

// Without this a pod whose program has crashed would look alive, and the container engine would not restart it.
func TestProgramThatEndsEndsTheContainer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	choose(t, dir, "")
	for script, want := range map[string]string{"exit 3": "exit status 3", "exit 0": "exit status 0", "kill -9 $$": "killed"} {
		if err := Run(t.Context(), dir, "pod", []string{"sh", "-c", script}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// Without this a damaged file would start a pod with the container's settings alone, and without its policy.
func TestNothingStartsWithoutAnOrder(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", `{"id":""}`, `{"id":"1","environment":[]}`, `{"id":"` + strings.Repeat("1", maxOrder) + `"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(orderFile(dir, "pod"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), dir, "pod", []string{"sh", "-c", "exit 3"}); err == nil || !strings.Contains(err.Error(), "not an order") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
