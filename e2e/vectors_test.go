package e2e_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cryptographyVersion is the release of the Python package that the second
// implementation is installed with where it is not there already.
const cryptographyVersion = "cryptography==48.0.0"

// Without this the specification could say something else than the code does,
// and nobody could write an implementation from it. The one that runs here was.
func TestSecondImplementation(t *testing.T) {
	python := pythonWithCryptography(t)
	output, err := exec.Command(python, "testdata/vectors.py", "../envelope/testdata/vectors", "../envelope/testdata/keys").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(output), " 0 failed\n") {
		t.Errorf("%v: %s", err, output)
	}
}

// pythonWithCryptography takes the Python that is there, if it has the package;
// else it makes one in a folder of the test.
func pythonWithCryptography(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no python3 here: the second implementation of the opening side did not run")
	}
	if exec.Command(python, "-c", "import cryptography").Run() == nil {
		return python
	}
	venv := filepath.Join(t.TempDir(), "venv")
	if output, err := exec.Command(python, "-m", "venv", venv).CombinedOutput(); err != nil {
		t.Fatalf("making a Python environment: %v: %s", err, output)
	}
	own := filepath.Join(venv, "bin", "python")
	if output, err := exec.Command(own, "-m", "pip", "install", "--quiet", cryptographyVersion).CombinedOutput(); err != nil {
		t.Fatalf("installing the Python package cryptography: %v: %s", err, output)
	}
	return own
}
