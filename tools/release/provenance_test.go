package release_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	predicate "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"kafka-e2ee/tools/release/publish"
)

func sum(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

// provenance checks each artifact's statement with in-toto's own types: tools read them, and an unknown field is an error.
func (d made) provenance(t *testing.T) {
	checked := 0
	for _, name := range d.names {
		if path.Dir(name) == "provenance" {
			continue
		}
		checked++
		s, p := d.statement(t, name)
		subjects := map[string]string{}
		for _, subject := range s.GetSubject() {
			subjects[subject.GetName()] = subject.GetDigest()["sha256"]
		}
		if subjects[name] != sum(d.read(t, name)) {
			t.Errorf("%s: its statement is about %v", name, subjects)
		}
		parameters := p.GetBuildDefinition().GetExternalParameters().AsMap()
		if parameters["VERSION"] != version || parameters["REGISTRY"] != registry || len(parameters) != 2 {
			t.Errorf("%s: parameters %v", name, parameters)
		}
		materials := materialsOf(p)
		if materials["kafka-e2ee"] != d.commit {
			t.Errorf("%s: made from %v, want commit %s", name, materials, d.commit)
		}
		sidecar := slices.ContainsFunc(slices.Collect(maps.Keys(materials)), func(uri string) bool {
			return materials[uri] == d.sidecar && strings.HasPrefix(uri, "pkg:oci/skr@sha256%3A"+d.sidecar+"?repository_url=mcr.microsoft.com/aci/skr&tag=2.")
		})
		if sidecar != deploysSidecar(name) {
			t.Errorf("%s: made from %v; that the sidecar's image is among it is %v", name, materials, sidecar)
		}
		if image, isImage := strings.CutSuffix(name, "-"+version+".oci.tar"); isImage {
			d.imageMaterials(t, image, subjects, materials)
		}
	}
	if checked < 20 {
		t.Errorf("only %d artifacts have a statement", checked)
	}
}

// deploysSidecar reports whether an artifact names the sidecar's image.
func deploysSidecar(name string) bool {
	for _, with := range []string{"kata-cc-", "confidential-aci-", "deploy-", "kafka-e2ee-"} {
		if strings.HasPrefix(name, with) {
			return true
		}
	}
	return false
}

func (d made) statement(t *testing.T, name string) (*intoto.Statement, *predicate.Provenance) {
	t.Helper()
	s, p := new(intoto.Statement), new(predicate.Provenance)
	if err := protojson.Unmarshal(d.read(t, "provenance/"+name+".intoto.json"), s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := s.Validate(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if s.GetPredicateType() != "https://slsa.dev/provenance/v1" {
		t.Errorf("%s: predicate type %s", name, s.GetPredicateType())
	}
	text, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, p); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := p.Validate(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return s, p
}

// materialsOf returns what something was made from: digests by name or address.
func materialsOf(p *predicate.Provenance) map[string]string {
	found := map[string]string{}
	for _, m := range p.GetBuildDefinition().GetResolvedDependencies() {
		name, digest := m.GetName(), ""
		if m.GetUri() != "" {
			name = m.GetUri()
		}
		for _, digest = range m.GetDigest() {
			break
		}
		found[name] = digest
	}
	return found
}

// imageMaterials checks that the statement names the image that registries serve, and exactly what was linked.
func (d made) imageMaterials(t *testing.T, image string, subjects, materials map[string]string) {
	t.Helper()
	if want := d.open(t, image).Digest.Hex; subjects[image] != want {
		t.Errorf("%s: its statement is about the image %s, want %s", image, subjects[image], want)
	}
	want := map[string]bool{"kafka-e2ee": true}
	for _, m := range d.linked(t, image) {
		hash, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil {
			t.Fatal(err)
		}
		name := "pkg:golang/" + m.Path + "@" + m.Version
		want[name] = true
		if materials[name] != hex.EncodeToString(hash) {
			t.Errorf("%s: made from %s with hash %q, want go.sum's %s", image, name, materials[name], m.Sum)
		}
	}
	for name := range materials {
		expected := want[name] || strings.HasPrefix(name, "pkg:generic/go@1.") || image != "lab" && strings.HasPrefix(name, "pkg:golang/golang.org/x/crypto/x509roots/fallback@")
		if !expected {
			t.Errorf("%s: it claims to be made from %s", image, name)
		}
	}
}

// publish checks that "make publish" finds in the provenance what the release was made for. It connects to no registry.
func (d made) publish(t *testing.T) {
	for want, r := range map[string]publish.Request{
		"want " + registry: {Folder: d.dir, Registry: "another.test/team"},
		"want " + version:  {Folder: d.dir, Registry: registry, Version: "v1.2.4"},
	} {
		if err := publish.Publish(t.Context(), r, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("publishing %+v: %v, want an error with %q", r, err, want)
		}
	}
}
