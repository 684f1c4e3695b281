package release_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"kafka-e2ee/tools/release/dist"
)

const (
	version  = "v1.2.3"
	registry = "registry.test/team"
)

// Without this nobody could check that a release was made from its commit: somebody who makes it again would get other
// bytes. And what people download could be for another machine, lack a file, or say another version.
func TestRelease(t *testing.T) {
	first := clone(t, filepath.Join(t.TempDir(), "first"))
	second := filepath.Join(t.TempDir(), "another", "folder")
	run(t, first, "git", "clone", "--quiet", first, second)
	lines := func(dir string) []string {
		content, err := os.ReadFile(filepath.Join(dir, "dist", dist.Sums))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(content), "\n")
	}
	makeRelease(t, first)
	// Another user, who lives elsewhere and lets nobody read their files.
	makeRelease(t, second, "TZ=Pacific/Auckland", "LC_ALL=C", "USER=somebody", "GOFLAGS=-tags=another", "GOARM64=v8.1")
	one, other := lines(first), lines(second)
	for _, line := range other {
		if !slices.Contains(one, line) {
			t.Errorf("the same commit gives elsewhere %s", line)
		}
	}
	if len(one) != len(other) {
		t.Errorf("the same commit gives %d files, and elsewhere %d", len(one), len(other))
	}

	d := made{dir: filepath.Join(first, "dist"), commit: run(t, first, "git", "rev-parse", "HEAD")}
	names, err := dist.CheckSums(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	d.names = names
	t.Run("images", d.images)
	t.Run("verify", d.verify)
	t.Run("manifests", d.manifests)
	t.Run("chart", d.chart)
	t.Run("notices", d.notices)
	t.Run("provenance", d.provenance)
	t.Run("checksums", func(t *testing.T) {
		if _, err := exec.LookPath("sha256sum"); err == nil { // Linux has it: the documents tell people to use it
			run(t, d.dir, "sha256sum", "--check", "--strict", "--quiet", dist.Sums)
		}
		err := filepath.WalkDir(d.dir, func(file string, entry os.DirEntry, err error) error {
			name, relErr := filepath.Rel(d.dir, file)
			if err == nil && !entry.IsDir() && name != dist.Sums && !slices.Contains(d.names, name) {
				t.Errorf("%s is not in the list", name)
			}
			return errors.Join(err, relErr)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// made is a release that the test made.
type made struct {
	dir, commit string
	names       []string
}

func (d made) path(name string) string { return filepath.Join(d.dir, name) }

func (d made) read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func (d made) open(t *testing.T, name string) dist.Image {
	t.Helper()
	image, err := dist.OpenImage(d.path(name+"-"+version+dist.Extension), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return image
}

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

func (d made) manifests(t *testing.T) {
	consumer := fmt.Sprintf("%s/consumer:%s@%s", registry, version, d.open(t, "consumer").Digest)
	producer := fmt.Sprintf("%s/producer:%s@%s", registry, version, d.open(t, "producer").Digest)
	for _, overlay := range []string{"ordinary", "kata-cc", "confidential-aci", "coco"} {
		text := string(d.read(t, overlay+"-"+version+".yaml"))
		if strings.Count(text, "image: "+consumer+"\n") != 1 || strings.Count(text, "image: "+producer+"\n") != 1 || strings.Contains(text, "registry.example") {
			t.Errorf("the overlay %s does not name exactly the released images", overlay)
		}
	}
	files := d.unpack(t, "deploy-"+version+".tar.gz")
	settings := files["kafka-e2ee-"+version+"/deploy/kubernetes/components/settings/settings.env"]
	if !strings.Contains(settings, "\nCONSUMER_IMAGE="+consumer+"\n") || !strings.Contains(settings, "\nPRODUCER_IMAGE="+producer+"\n") {
		t.Errorf("settings.env does not name the released images: %s", settings)
	}
	if files["kafka-e2ee-"+version+"/deploy/kubernetes/overlays/ordinary/kustomization.yaml"] == "" {
		t.Error("the archive lacks the overlays")
	}
}

// chart checks what "helm install" would read.
func (d made) chart(t *testing.T) {
	files := d.unpack(t, "kafka-e2ee-1.2.3.tgz")
	if !strings.Contains(files["kafka-e2ee/Chart.yaml"], "\nname: kafka-e2ee\n") || !strings.Contains(files["kafka-e2ee/Chart.yaml"], "\nversion: 1.2.3\n") {
		t.Errorf("the chart is %s", files["kafka-e2ee/Chart.yaml"])
	}
	for _, name := range []string{"consumer", "producer"} {
		if want := fmt.Sprintf("\n  %s: %s/%s:%s@%s\n", name, registry, name, version, d.open(t, name).Digest); !strings.Contains(files["kafka-e2ee/values.yaml"], want) {
			t.Errorf("its values lack %s", want)
		}
	}
	if files["kafka-e2ee/templates/consumer.yaml"] == "" {
		t.Error("the chart lacks its templates")
	}
}

// unpack returns the files of an archive.
func (d made) unpack(t *testing.T, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	zip, err := gzip.NewReader(bytes.NewReader(d.read(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	eachFile(t, zip, func(file *tar.Header, content []byte) {
		files[file.Name] = string(content)
		if script := strings.HasPrefix(string(content), "#!"); file.Typeflag == tar.TypeReg && script != (file.Mode == 0o755) {
			t.Errorf("%s has mode %o", file.Name, file.Mode)
		}
	})
	return files
}

func (d made) notices(t *testing.T) {
	notices := string(d.read(t, "THIRD-PARTY-NOTICES.txt"))
	want := []string{"\n==== Go's standard library go1.", "\n==== golang.org/x/crypto/x509roots/fallback "}
	for _, image := range []string{"producer", "consumer", "verify", "lab"} {
		for _, m := range d.linked(t, image) {
			want = append(want, fmt.Sprintf("\n==== %s %s: ", m.Path, m.Version))
		}
	}
	for _, heading := range want {
		if !strings.Contains(notices, heading) {
			t.Errorf("the notices lack %q", heading)
		}
	}
	if !strings.Contains(notices, "Permission is hereby granted") || !strings.Contains(notices, "Redistribution and use in source and binary forms") {
		t.Error("the notices lack the licences' texts")
	}
	if !bytes.Contains(d.read(t, "LICENSE"), []byte("Apache License")) {
		t.Error("it lacks its own licence")
	}
}

// linked returns the modules of others in an image's program.
func (d made) linked(t *testing.T, name string) (others []module) {
	t.Helper()
	image := d.open(t, name)
	list, err := image.Index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list.Manifests {
		single, err := image.Index.Image(one.Digest)
		if err != nil {
			t.Fatal(err)
		}
		program := map[string]string{"producer": "produce", "consumer": "consume", "verify": "verify", "lab": "pod"}[name]
		info, err := buildinfo.Read(bytes.NewReader(fileOf(t, single, program)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range info.Deps {
			if m.Replace == nil {
				others = append(others, module{m.Path, m.Version, m.Sum})
			}
		}
	}
	if len(others) == 0 {
		t.Fatalf("the program of %s lists no modules", name)
	}
	return others
}

type module struct{ Path, Version, Sum string }

// fileOf returns a file of an image.
func fileOf(t *testing.T, image v1.Image, name string) (found []byte) {
	t.Helper()
	all := mutate.Extract(image)
	defer all.Close()
	eachFile(t, all, func(file *tar.Header, content []byte) {
		if file.Name == name {
			found = content
		}
	})
	if found == nil {
		t.Fatalf("the image lacks %s", name)
	}
	return found
}

func eachFile(t *testing.T, archive io.Reader, see func(*tar.Header, []byte)) {
	t.Helper()
	for reader := tar.NewReader(archive); ; {
		file, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		see(file, content)
	}
}

// clone puts this working tree into a repository of its own, as one commit that is always the same.
func clone(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "../..", "bash", "-o", "pipefail", "-c",
		`git ls-files --cached --others --exclude-standard -z |
			while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
			tar --null --files-from=- -c | tar -C "$1" -x`, "clone", dir)
	commit(t, dir)
	return dir
}

// commit commits everything in a folder, as nobody and long ago.
func commit(t *testing.T, dir string) {
	t.Helper()
	run(t, dir, "bash", "-c", `
		export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
		export GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.org GIT_AUTHOR_DATE='1700000000 +0000'
		export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.org GIT_COMMITTER_DATE='1700000000 +0000'
		git init -q && git add -A && git commit -q -m test`)
}

// makeRelease runs "make release" in a folder, with further environment.
func makeRelease(t *testing.T, dir string, environment ...string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", `[ -z "${TZ:-}" ] || umask 077; make release VERSION="$1" REGISTRY="$2"`, "make", version, registry)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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
