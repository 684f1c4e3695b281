package release

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Platform is what a program runs on.
type Platform struct{ OS, Arch string }

// String is the platform as in the name of a file.
func (p Platform) String() string { return p.OS + "-" + p.Arch }

// program is a built program.
type program struct {
	name   string
	module string // the folder of its module
	Platform
	file string
	info *buildinfo.BuildInfo
}

// modules lists the programs that are released, by the folders of their modules.
func modules() map[string][]string {
	return map[string][]string{".": {"produce", "consume", "verify"}, "lab": {"pod"}}
}

// builder builds programs of one version, as the Dockerfiles and "make build" do.
type builder struct {
	Source
	version string
	work    string // a folder for the programs
}

// build builds programs of the module in the folder.
func (b builder) build(ctx context.Context, module string, on Platform, names ...string) ([]program, error) {
	into := filepath.Join(b.work, on.String())
	if err := os.MkdirAll(into, 0o700); err != nil {
		return nil, err
	}
	args := []string{
		"build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version=" + b.version + " -X main.commit=" + b.Commit, "-o", into + "/",
	}
	for _, name := range names {
		args = append(args, "./cmd/"+name)
	}
	// The variables that could change a program are set, even if only to their defaults.
	environment := append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly",
		"GOOS="+on.OS, "GOARCH="+on.Arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOEXPERIMENT=")
	dir := filepath.Join(b.Dir, module)
	if err := noExperiment(ctx, dir, environment); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // a command of this program
	cmd.Env = environment
	if _, err := outputOf(cmd, dir); err != nil {
		return nil, fmt.Errorf("building for %s: %w", on, err)
	}
	var built []program
	for _, name := range names {
		file := filepath.Join(into, name)
		if on.OS == "windows" {
			file += ".exe"
		}
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return nil, err
		}
		built = append(built, program{name: name, module: module, Platform: on, file: file, info: info})
	}
	return built, nil
}

// noExperiment fails if "go env -w" has set GOEXPERIMENT: an empty variable does not override it, and no other value is
// the default.
func noExperiment(ctx context.Context, dir string, environment []string) error {
	cmd := exec.CommandContext(ctx, "go", "env", "GOEXPERIMENT")
	cmd.Env = environment
	set, err := outputOf(cmd, dir)
	if err == nil && set != "" {
		err = fmt.Errorf("got GOEXPERIMENT=%s, want none: it changes the programs (hint: go env -u GOEXPERIMENT)", set)
	}
	return err
}

// buildAll builds every program for the platforms of the images, and verify also for its viewers' computers.
func (b builder) buildAll(ctx context.Context) ([]program, error) {
	var all []program
	for _, arch := range []string{"amd64", "arm64"} {
		for module, names := range modules() {
			built, err := b.build(ctx, module, Platform{"linux", arch}, names...)
			if err != nil {
				return nil, err
			}
			all = append(all, built...)
		}
		for _, system := range []string{"darwin", "windows"} {
			built, err := b.build(ctx, ".", Platform{system, arch}, "verify")
			if err != nil {
				return nil, err
			}
			all = append(all, built...)
		}
	}
	return all, nil
}

// named returns the programs of that name.
func named(programs []program, name string) []program {
	return slices.DeleteFunc(slices.Clone(programs), func(p program) bool { return p.name != name })
}
