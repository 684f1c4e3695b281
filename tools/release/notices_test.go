package release_test

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"strings"
	"testing"
)

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
