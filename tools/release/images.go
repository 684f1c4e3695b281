package release

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"kafka-e2ee/tools/release/dist"
	"kafka-e2ee/tools/release/roots"
)

// runAs is the user and group of the images.
const runAs = 65532

// image describes an image. Its Dockerfile describes the same one, and a test compares what both give.
type image struct {
	name, program, description string
	roots                      bool     // it connects to TLS servers
	folders                    []string // its user's own
	ports                      []string
}

func images() []image {
	return []image{
		{
			name: "producer", program: "produce", roots: true, ports: []string{"9464/tcp"},
			description: "Encrypts messages with a public key and writes them to a Kafka topic",
		},
		{
			name: "consumer", program: "consume", roots: true, ports: []string{"3333/tcp", "9464/tcp"},
			description: "Reads a Kafka topic, opens what the released key opens, and shows it on a page",
		},
		{
			name: "verify", program: "verify", roots: true,
			description: "Checks that a page is served by the code that a key's release policy names",
		},
		{
			name: "lab", program: "pod", folders: []string{"keys/", "keys/private/", "keys/public/", "starter/"},
			description: "Emulated cloud, key-release sidecar and presenter's console, for the compose demo and the cluster test only",
		},
	}
}

// BuildImage builds one image for one platform.
func BuildImage(ctx context.Context, source Source, version, name string, on Platform) (v1.Image, error) {
	work, err := os.MkdirTemp("", "image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // a temporary folder
	described := images()
	i := slices.IndexFunc(described, func(i image) bool { return i.name == name })
	if i < 0 {
		return nil, fmt.Errorf("got the image %q, want one of this repository", name)
	}
	for module, programs := range modules() {
		if slices.Contains(programs, described[i].program) {
			built, err := builder{source, version, work}.build(ctx, module, on, described[i].program)
			if err != nil {
				return nil, err
			}
			return described[i].with(built[0], source, version)
		}
	}
	return nil, fmt.Errorf("got the image %q, whose program is in no module", name)
}

// index returns the image for all platforms that its program was built for.
func (i image) index(programs []program, source Source, version string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		one, err := i.with(p, source, version)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: untyped{one}, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}},
		})
	}
	return index, nil
}

// untyped keeps the library from noting the type of an image's configuration as the type of an artifact, which other tools'
// indexes lack: skopeo drops it, and so changes the index's digest.
type untyped struct{ v1.Image }

// ArtifactType implements an interface of package partial.
func (untyped) ArtifactType() (string, error) { return "", nil }

// with returns the image with a program.
func (i image) with(p program, source Source, version string) (v1.Image, error) {
	files, err := i.files(p)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	// As in the Dockerfiles, no time: a layer changes only with its files, so measurements do, too.
	if err := dist.WriteTar(&layer, time.Unix(0, 0), files); err != nil {
		return nil, err
	}
	compressed, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	made := v1.Time{Time: source.Time}
	one, err := mutate.Append(base, mutate.Addendum{Layer: compressed, History: v1.History{Created: made, CreatedBy: "make release"}})
	if err != nil {
		return nil, err
	}
	config, err := one.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.OS, p.Arch, made
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", runAs, runAs),
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, // BuildKit's default
		Entrypoint: []string{"/" + i.program},
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":       "kafka-e2ee " + i.name,
			"org.opencontainers.image.description": i.description,
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     version,
			"org.opencontainers.image.revision":    source.Commit,
		},
	}
	for _, port := range i.ports {
		if config.Config.ExposedPorts == nil {
			config.Config.ExposedPorts = map[string]struct{}{}
		}
		config.Config.ExposedPorts[port] = struct{}{}
	}
	return mutate.ConfigFile(one, config)
}

// files returns what is in the image.
func (i image) files(p program) ([]dist.File, error) {
	content, err := os.ReadFile(p.file)
	if err != nil {
		return nil, err
	}
	files := []dist.File{{Name: filepath.Base(p.file), Mode: 0o755, Content: content}}
	if i.roots {
		files = append(files, dist.File{Name: roots.File, Mode: 0o644, Content: roots.PEM()})
	}
	for _, folder := range i.folders {
		files = append(files, dist.File{Name: folder, Mode: 0o755, Owner: runAs})
	}
	return files, nil
}
