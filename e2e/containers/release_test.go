package containers_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/tools/release"
)

// Without this a released image could lack a file, run as another user or start another program than the image that the
// Dockerfile gives and the other tests try. The release builds without Docker.
func TestReleasedImagesAreTheDockerfiles(t *testing.T) {
	buildImages(t)
	for name, program := range map[string]string{"producer": "produce", "consumer": "consume", "verify": "verify", "lab": "pod"} {
		t.Run(name, func(t *testing.T) {
			docker := map[string]string{}
			eachFile(t, image(name), func(file *tar.Header, r io.Reader) { docker[cleaned(file.Name)] = described(t, name, file, r) })
			// The image's release of Go, whatever this machine's is.
			info, err := buildinfo.Read(bytes.NewReader(contentOf(t, image(name), program)))
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("GOTOOLCHAIN", info.GoVersion)

			var facts []struct {
				OS, Architecture string
				Config           v1.Config
			}
			if err := json.Unmarshal([]byte(harness.Docker(t, "image", "inspect", image(name))), &facts); err != nil {
				t.Fatal(err)
			}
			source := release.Source{Dir: harness.Path(t, "."), Commit: "c-of-the-test", Time: time.Unix(0, 0)}
			released, err := release.BuildImage(t.Context(), source, "v-of-the-test", name, release.Platform{OS: facts[0].OS, Arch: facts[0].Architecture})
			if err != nil {
				t.Fatal(err)
			}
			config, err := released.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := config.Config, facts[0].Config; !reflect.DeepEqual(got, want) {
				t.Errorf("its configuration is\n%+v, and the Dockerfile's\n%+v", got, want)
			}
			files := map[string]string{}
			all := mutate.Extract(released)
			defer all.Close()
			text, err := io.ReadAll(all)
			if err != nil {
				t.Fatal(err)
			}
			walk(t, text, func(file *tar.Header, r io.Reader) { files[cleaned(file.Name)] = described(t, name, file, r) })
			if !maps.Equal(files, docker) {
				for _, file := range slices.Sorted(maps.Keys(docker)) {
					if files[file] != docker[file] {
						t.Errorf("%s is %q, and in the Dockerfile's %q", file, files[file], docker[file])
					}
				}
				t.Errorf("it contains %q, and the Dockerfile's %q", slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(docker)))
			}
		})
	}
}

func cleaned(name string) string { return strings.Trim(strings.TrimPrefix(name, "./"), "/") }

// described returns all that a program can see of a file.
func described(t *testing.T, image string, file *tar.Header, r io.Reader) string {
	t.Helper()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	at := file.ModTime.Unix()
	if image == "lab" { // its Dockerfile sets no times
		at = 0
	}
	return fmt.Sprintf("%v of %d:%d at %d, SHA-256 %x", file.FileInfo().Mode(), file.Uid, file.Gid, at, sha256.Sum256(content))
}
