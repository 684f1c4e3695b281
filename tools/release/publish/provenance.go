package publish

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// checkMadeFor fails if the image was made for another registry or version: the release's manifests would name images that
// are not there. It reads the image's provenance, which the checksums cover.
func (r Request) checkMadeFor(file string) error {
	text, err := os.ReadFile(filepath.Join(r.Folder, "provenance", file+".intoto.json")) //nolint:gosec // a file of the release
	if err != nil {
		return fmt.Errorf("reading the provenance of %s: %w (hint: make release again)", file, err)
	}
	var statement struct {
		Predicate struct {
			BuildDefinition struct {
				ExternalParameters struct {
					Registry string `json:"REGISTRY"`
					Version  string `json:"VERSION"`
				} `json:"externalParameters"`
			} `json:"buildDefinition"`
		} `json:"predicate"`
	}
	if err := json.Unmarshal(text, &statement); err != nil {
		return fmt.Errorf("reading the provenance of %s: %w", file, err)
	}
	made := statement.Predicate.BuildDefinition.ExternalParameters
	if r.Registry != made.Registry {
		return fmt.Errorf("got REGISTRY=%s, want %s, which the release's manifests name (hint: make release with the REGISTRY to publish to)", r.Registry, made.Registry)
	}
	if r.Version != "" && r.Version != made.Version {
		return fmt.Errorf("got VERSION=%s, want %s, the version of the release (hint: make release again, or leave VERSION out)", r.Version, made.Version)
	}
	return nil
}
