package release_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"kafka-e2ee/tools/release"
)

func (d made) images(t *testing.T) {
	for name, program := range map[string]string{"producer": "produce", "consumer": "consume", "verify": "verify", "lab": "pod"} {
		image := d.open(t, name)
		if err := validate.Index(image.Index); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		list, err := image.Index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		var platforms []string
		for _, one := range list.Manifests {
			platforms = append(platforms, one.Platform.String())
			if one.ArtifactType != "" {
				t.Errorf("the index of %s has the artifact type %s: a copy with skopeo has another digest", name, one.ArtifactType)
			}
			single, err := image.Index.Image(one.Digest)
			if err != nil {
				t.Fatal(err)
			}
			content := fileOf(t, single, program)
			wantMachine(t, name, content, one.Platform.OS, one.Platform.Architecture)
			wantSBOM(t, d, program, one.Platform, content)
			if one.Platform.Architecture == runtime.GOARCH && runtime.GOOS == "linux" {
				file := filepath.Join(t.TempDir(), program)
				if err := os.WriteFile(file, content, 0o700); err != nil {
					t.Fatal(err)
				}
				d.wantVersion(t, file, program)
			}
		}
		if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(platforms, want) {
			t.Errorf("%s is for %q, want %q", name, platforms, want)
		}
	}
}

// wantVersion checks what a program says about itself.
func (d made) wantVersion(t *testing.T, file, program string) {
	t.Helper()
	want := fmt.Sprintf("%s %s (commit %s, go", program, version, d.commit)
	if said := run(t, d.dir, file, "-version"); !strings.HasPrefix(said, want) {
		t.Errorf("%s -version says %q, want %q", program, said, want)
	}
}

// wantSBOM checks that the bill of materials is this program's.
func wantSBOM(t *testing.T, d made, program string, on *v1.Platform, content []byte) {
	t.Helper()
	bill := d.read(t, fmt.Sprintf("%s-%s-%s-%s.cdx.json", program, version, on.OS, on.Architecture))
	if !bytes.Contains(bill, []byte(sum(content))) {
		t.Errorf("the bill of materials of %s for %s does not name it by its hash", program, on)
	}
}

func (d made) verify(t *testing.T) {
	for _, os := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			name := fmt.Sprintf("verify-%s-%s-%s", version, os, arch)
			if os == "windows" {
				name += ".exe"
			}
			content := d.read(t, name)
			wantMachine(t, name, content, os, arch)
			wantSBOM(t, d, "verify", &v1.Platform{OS: os, Architecture: arch}, content)
			if os == runtime.GOOS && arch == runtime.GOARCH {
				d.wantVersion(t, d.path(name), "verify")
			}
		}
	}
}

// wantMachine checks which machine a program is for.
func wantMachine(t *testing.T, name string, content []byte, os, arch string) {
	t.Helper()
	var got any
	var err error
	r := bytes.NewReader(content)
	switch os {
	case "linux":
		var file *elf.File
		if file, err = elf.NewFile(r); err == nil {
			got = file.Machine
		}
	case "darwin":
		var file *macho.File
		if file, err = macho.NewFile(r); err == nil {
			got = file.Cpu
		}
	case "windows":
		var file *pe.File
		if file, err = pe.NewFile(r); err == nil {
			got = file.Machine
		}
	}
	want := map[string]any{
		"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64, "darwin/amd64": macho.CpuAmd64, "darwin/arm64": macho.CpuArm64,
		"windows/amd64": uint16(pe.IMAGE_FILE_MACHINE_AMD64), "windows/arm64": uint16(pe.IMAGE_FILE_MACHINE_ARM64),
	}[os+"/"+arch]
	if err != nil || got != want {
		t.Errorf("%s is for %v, want %v: %v", name, got, want, err)
	}
}

// Without this a setting that somebody once wrote with "go env -w" would give other bytes, or a program of another kind.
func TestBuildRefusesExperiments(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(settings, []byte("GOEXPERIMENT=nogreenteagc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOENV", settings)
	_, err := release.BuildImage(t.Context(), release.Source{Dir: "../.."}, version, "lab", release.Platform{OS: "linux", Arch: runtime.GOARCH})
	if err == nil || !strings.Contains(err.Error(), "go env -u GOEXPERIMENT") {
		t.Errorf("with GOEXPERIMENT in go's settings: %v", err)
	}
}
