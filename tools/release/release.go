// Package release makes a release of this repository: what people need who have no clone of it. The same commit, version
// and release of Go give the same bytes in any folder, on any day.
//
// It publishes nothing; package publish does. It signs nothing either: the provenance that it writes is as trustworthy as
// the signature that somebody puts on the checksums.
package release

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"kafka-e2ee/tools/release/dist"
	"kafka-e2ee/tools/release/pin"
)

// Folder is where a release is written, in the repository.
const Folder = "dist"

// release is a release in the making.
type release struct {
	Source
	version, registry string
	dist              string
	programs          []program
	digests           map[string]v1.Hash // of the images
	artifacts         []artifact
	sidecar           string // its image
}

// Make writes the release to dist/, whose former content it deletes, and what it does to log. The manifests name images in
// the registry. The checksums come last: without them, the release is incomplete.
func Make(ctx context.Context, source Source, version, registry string, log io.Writer) error {
	if err := CheckVersion(version); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // a temporary folder
	r := &release{
		Source: source, version: version, registry: registry,
		dist: filepath.Join(source.Dir, Folder), digests: map[string]v1.Hash{},
	}
	if err := r.nameThirdParty(log); err != nil {
		return err
	}
	if err := os.RemoveAll(r.dist); err != nil {
		return err
	}
	if err := os.Mkdir(r.dist, 0o755); err != nil { //nolint:gosec // a release is public
		return err
	}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"building the programs", func() (err error) {
			r.programs, err = builder{source, version, work}.buildAll(ctx)
			return err
		}},
		{"writing verify for viewers", r.writeVerify},
		{"writing images", r.writeImages},
		{"rendering manifests", func() error { return r.manifests(ctx) }},
		{"packaging the chart", func() error { return r.chart(ctx) }},
		{"listing what the programs contain", func() error { return r.writeBills(ctx) }},
		{"collecting licences", func() error { return r.writeLicences(ctx) }},
		{"writing provenance", r.writeProvenance},
		{"writing checksums", func() error { return dist.WriteSums(r.dist) }},
	} {
		if _, err := fmt.Fprintf(log, "release: %s\n", step.name); err != nil {
			return err
		}
		if err := step.run(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// nameThirdParty reads which third-party images the commit names, and says which of them can change after the release.
func (r *release) nameThirdParty(log io.Writer) (err error) {
	if r.sidecar, err = pin.Sidecar(r.Dir); err != nil {
		return err
	}
	byTag, err := pin.ByTag(r.Dir)
	if err != nil {
		return err
	}
	for _, image := range byTag {
		if _, err := fmt.Fprintf(log, "release: the commit names %s by tag, which can be moved to another image (hint: make pin, where its registry can be reached)\n", image); err != nil {
			return err
		}
	}
	return nil
}

// writeVerify writes the program that viewers run.
func (r *release) writeVerify() error {
	for _, p := range named(r.programs, "verify") {
		name := fmt.Sprintf("verify-%s-%s%s", r.version, p.Platform, filepath.Ext(p.file))
		content, err := os.ReadFile(p.file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dist, name), content, 0o755); err != nil { //nolint:gosec // a program
			return err
		}
		r.artifacts = append(r.artifacts, artifact{name: name, programs: []program{p}})
	}
	return nil
}

func (r *release) writeImages() error {
	for _, i := range images() {
		var programs []program
		for _, p := range named(r.programs, i.program) {
			if p.OS == "linux" {
				programs = append(programs, p)
			}
		}
		index, err := i.index(programs, r.Source, r.version)
		if err != nil {
			return err
		}
		if r.digests[i.name], err = index.Digest(); err != nil {
			return err
		}
		name := i.name + "-" + r.version + dist.Extension
		file, err := os.OpenFile(filepath.Join(r.dist, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // a release is public
		if err != nil {
			return err
		}
		if err := dist.WriteImage(file, r.Time, index, r.version); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		r.artifacts = append(r.artifacts, artifact{name: name, image: i.name, programs: programs, roots: i.roots})
	}
	return nil
}

// writeBills writes a CycloneDX bill of materials for each program.
func (r *release) writeBills(ctx context.Context) error {
	for _, p := range r.programs {
		cmd := exec.CommandContext(ctx, "tools/sbom", p.file) //nolint:gosec // a script of this repository
		cmd.Env = append(os.Environ(), "VERSION="+r.version)
		if _, err := outputOf(cmd, r.Dir); err != nil {
			return err
		}
		content, err := os.ReadFile(p.file + ".cdx.json")
		if err != nil {
			return err
		}
		if err := r.write(fmt.Sprintf("%s-%s-%s.cdx.json", p.name, r.version, p.Platform), content); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) writeLicences(ctx context.Context) error {
	ours, err := os.ReadFile(filepath.Join(r.Dir, "LICENSE"))
	if err != nil {
		return err
	}
	if err := r.write("LICENSE", ours); err != nil {
		return err
	}
	others, err := r.notices(ctx)
	if err != nil {
		return err
	}
	return r.write("THIRD-PARTY-NOTICES.txt", others)
}
