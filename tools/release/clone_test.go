package release_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// clone puts this working tree into a folder of its own.
func clone(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "../..", "bash", "-o", "pipefail", "-c",
		`git ls-files --cached --others --exclude-standard -z |
			while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
			tar --null --files-from=- -c | tar -C "$1" -x`, "clone", dir)
	return dir
}

// commit makes a folder a repository with one commit that is always the same: as nobody and long ago.
func commit(t *testing.T, dir string) {
	t.Helper()
	run(t, dir, "bash", "-c", `
		export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
		export GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.org GIT_AUTHOR_DATE='1700000000 +0000'
		export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.org GIT_COMMITTER_DATE='1700000000 +0000'
		git init -q && git add -A && git commit -q -m test`)
}

// pinSidecar names the sidecar by digest, as "make pin" does, and the compiler by tag. It returns the digest.
func pinSidecar(t *testing.T, dir string) string {
	t.Helper()
	digest := strings.Repeat("5d", 32)
	run(t, dir, "sed", "-E", "-i", `s/^(SKR_IMAGE=|  sidecar: )([^@]+)(@.*)?$/\1\2@sha256:`+digest+"/",
		"deploy/kubernetes/components/settings/settings.env", "deploy/helm/values.yaml")
	run(t, dir, "bash", "-c", "sed -i '/^ARG BUILD_IMAGE=/s/@.*//' Dockerfile.*")
	return digest
}

// makeRelease runs "make release" in a folder, with further environment, and returns what it prints.
func makeRelease(t *testing.T, dir string, environment ...string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", `[ -z "${TZ:-}" ] || umask 077; make release VERSION="$1" REGISTRY="$2"`, "make", version, registry)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// run runs a command in a folder and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}
