package release

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"kafka-e2ee/tools/release/dist"
	"kafka-e2ee/tools/release/roots"
)

const (
	// buildType is documented in docs/release.md.
	buildType = "urn:kafka-e2ee:make-release:1"
	// builderID says that nobody vouches for the machine. Only a signature can tell who built something.
	builderID = "urn:kafka-e2ee:unverified-builder"
)

// statement is an in-toto Statement (v1) with a SLSA Provenance (v1) as its predicate.
type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     provenance `json:"predicate"`
}

type provenance struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	} `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   map[string]string `json:"externalParameters"`
	ResolvedDependencies []resource        `json:"resolvedDependencies"`
}

// resource is an in-toto ResourceDescriptor.
type resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// artifact is a file of the release.
type artifact struct {
	name     string
	image    string    // the image that it is an archive of
	programs []program // those in it
	roots    bool      // the roots of TLS are in it, too
	sidecar  bool      // it deploys the sidecar
}

// writeProvenance writes a statement about each artifact: what it was made from, and with which parameters. It has no time.
func (r *release) writeProvenance() error {
	folder := filepath.Join(r.dist, "provenance")
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // a release is public
		return err
	}
	for _, a := range r.artifacts {
		sum, err := dist.Sum(filepath.Join(r.dist, a.name))
		if err != nil {
			return err
		}
		s := statement{
			Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1",
			Subject: []resource{{Name: a.name, Digest: map[string]string{"sha256": sum}}},
			Predicate: provenance{BuildDefinition: buildDefinition{
				BuildType:          buildType,
				ExternalParameters: map[string]string{"VERSION": r.version, "REGISTRY": r.registry},
			}},
		}
		s.Predicate.RunDetails.Builder.ID = builderID
		if a.image != "" { // the image's digest, for whoever has it from a registry
			digest := r.digests[a.image]
			s.Subject = append(s.Subject, resource{Name: a.image, Digest: map[string]string{digest.Algorithm: digest.Hex}})
		}
		if s.Predicate.BuildDefinition.ResolvedDependencies, err = r.materials(a); err != nil {
			return err
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, a.name+".intoto.json"), append(text, '\n'), 0o644); err != nil { //nolint:gosec // a release is public
			return err
		}
	}
	return nil
}

// materials returns what an artifact was made from: the commit, the release of Go, and the modules that the linker recorded
// in its programs.
func (r *release) materials(a artifact) ([]resource, error) {
	modules := map[string]*debug.Module{}
	for _, p := range a.programs {
		for _, m := range linked(p.info) {
			modules[m.Path+"@"+m.Version] = m
		}
	}
	if a.roots {
		self, ok := debug.ReadBuildInfo()
		if !ok {
			return nil, errors.New("this program lacks its build information")
		}
		for _, m := range linked(self) {
			if m.Path == roots.Module {
				modules[m.Path+"@"+m.Version] = m
			}
		}
	}
	version := strings.TrimPrefix(r.programs[0].info.GoVersion, "go")
	all := []resource{
		{Name: "kafka-e2ee", Digest: map[string]string{"gitCommit": r.Commit}},
		{Name: "go", URI: "pkg:generic/go@" + version},
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(modules[name].Sum, "h1:"))
		if err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("reading the checksum of %s: got %q, want one of go.sum", name, modules[name].Sum)
		}
		all = append(all, resource{URI: "pkg:golang/" + name, Digest: map[string]string{"dirHash": hex.EncodeToString(sum)}})
	}
	if a.sidecar {
		sidecar, err := thirdPartyImage(r.sidecar)
		if err != nil {
			return nil, err
		}
		all = append(all, sidecar)
	}
	return all, nil
}

// thirdPartyImage returns the resource for a third-party image. It has a digest if the image is named by one.
func thirdPartyImage(named string) (resource, error) {
	tagged, digest, pinned := strings.Cut(named, "@")
	tag, err := name.NewTag(tagged)
	if err != nil {
		return resource{}, err
	}
	about := "?repository_url=" + tag.Context().Name() + "&tag=" + tag.TagStr()
	address := "pkg:oci/" + path.Base(tag.RepositoryStr())
	if !pinned {
		return resource{URI: address + about}, nil
	}
	algorithm, sum, _ := strings.Cut(digest, ":")
	return resource{URI: address + "@" + algorithm + "%3A" + sum + about, Digest: map[string]string{algorithm: sum}}, nil
}

// linked returns the modules of others in a program. This repository's own are the commit's.
func linked(info *buildinfo.BuildInfo) (others []*debug.Module) {
	for _, m := range info.Deps {
		if m.Replace == nil && !strings.HasPrefix(m.Path+"/", "kafka-e2ee/") {
			others = append(others, m)
		}
	}
	return others
}
