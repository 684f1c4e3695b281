package release

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"kafka-e2ee/tools/release/dist"
)

const (
	settingsFile = "deploy/kubernetes/components/settings/settings.env"
	overlays     = "deploy/kubernetes/overlays/"
)

// manifests writes what a cluster needs: deploy/, in which settings.env names the released images, as an archive; and each
// overlay, rendered from it.
func (r *release) manifests(ctx context.Context) error {
	files, err := r.tracked(ctx, "LICENSE", "deploy/azure", "deploy/coco", "deploy/dashboards", "deploy/gitops", "deploy/kubernetes")
	if err != nil {
		return err
	}
	for i := range files {
		if files[i].Name == settingsFile {
			if files[i].Content, err = r.nameImages(files[i].Content); err != nil {
				return err
			}
		}
	}
	if err := r.archive("deploy-"+r.version+".tar.gz", "kafka-e2ee-"+r.version+"/", files); err != nil {
		return err
	}

	memory := filesys.MakeFsInMemory()
	var names []string
	for _, file := range files {
		if err := memory.WriteFile("/"+file.Name, file.Content); err != nil {
			return err
		}
		// Variants are for people who look inside, and for the policy generators. Both need settings that a release lacks.
		name, isOverlay := strings.CutPrefix(path.Dir(file.Name), overlays)
		if isOverlay && path.Base(file.Name) == "kustomization.yaml" && !strings.HasSuffix(name, "-debug") && !strings.HasSuffix(name, "-genpolicy") {
			names = append(names, name)
		}
	}
	for _, name := range names {
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/"+overlays+name)
		if err != nil {
			return fmt.Errorf("rendering the overlay %s: %w", name, err)
		}
		text, err := built.AsYaml()
		if err != nil {
			return err
		}
		for _, image := range []string{"consumer", "producer"} {
			if !bytes.Contains(text, []byte("image: "+r.reference(image)+"\n")) {
				return fmt.Errorf("rendering the overlay %s: it lacks the image %s", name, r.reference(image))
			}
		}
		head := fmt.Sprintf("# kafka-e2ee %s, overlay %s. Replace each value that contains set-, and the public key, before you apply it.\n", r.version, name)
		if err := r.write(name+"-"+r.version+".yaml", append([]byte(head), text...)); err != nil {
			return err
		}
	}
	return nil
}

// nameImages puts the released images into settings.env.
func (r *release) nameImages(settings []byte) (_ []byte, err error) {
	for variable, image := range map[string]string{"CONSUMER_IMAGE": "consumer", "PRODUCER_IMAGE": "producer"} {
		if settings, err = setLine(settings, variable+"=.*", variable+"="+r.reference(image)); err != nil {
			return nil, fmt.Errorf("reading %s: %w", settingsFile, err)
		}
	}
	return settings, nil
}

// setLine replaces the one line that matches a pattern.
func setLine(text []byte, pattern, line string) ([]byte, error) {
	lines := regexp.MustCompile("(?m)^" + pattern + "$")
	if found := len(lines.FindAll(text, -1)); found != 1 {
		return nil, fmt.Errorf("got %d lines %q, want 1", found, pattern)
	}
	return lines.ReplaceAllLiteral(text, []byte(line)), nil
}

// reference returns an image's name, with its version for people, and its digest for the cluster.
func (r *release) reference(image string) string {
	return fmt.Sprintf("%s/%s:%s@%s", r.registry, image, r.version, r.digests[image])
}

// archive writes a compressed archive with the files in one folder.
func (r *release) archive(name, top string, files []dist.File) error {
	files = slices.Clone(files)
	for i := range files {
		files[i].Name = top + files[i].Name
	}
	var text bytes.Buffer
	zip := gzip.NewWriter(&text) // without a time or a name
	if err := dist.WriteTar(zip, r.Time, files); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return r.put(name, text.Bytes(), slices.ContainsFunc(files, func(f dist.File) bool { return r.namesSidecar(f.Content) }))
}

// write writes an artifact that contains no program.
func (r *release) write(name string, content []byte) error {
	return r.put(name, content, r.namesSidecar(content))
}

func (r *release) put(name string, content []byte, sidecar bool) error {
	r.artifacts = append(r.artifacts, artifact{name: name, sidecar: sidecar})
	return os.WriteFile(filepath.Join(r.dist, name), content, 0o644) //nolint:gosec // a release is public
}

func (r *release) namesSidecar(content []byte) bool {
	return bytes.Contains(content, []byte(r.sidecar))
}
