package harness_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this "make test" could say that nothing was left out while tests were.
func TestLeaveOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "left-out")
	t.Setenv("LEFT_OUT", file)
	t.Setenv("REQUIRE_ALL", "1")
	t.Run("it", func(t *testing.T) { harness.LeaveOut(t, "make test-it") })
	got, err := os.ReadFile(file)
	if want := "TestLeaveOut/it: make test-it\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	err = filepath.WalkDir(harness.Path(t, "e2e"), func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, filepath.Join("harness", "require.go")) {
			return err
		}
		text, err := os.ReadFile(name)
		if strings.Contains(string(text), "t.Skip"+"f(") || strings.Contains(string(text), "t.Skip"+"(") || strings.Contains(string(text), "t.Skip"+"Now(") {
			t.Errorf("%s skips a test that \"make test\" does not list: use harness.Require or harness.LeaveOut", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
