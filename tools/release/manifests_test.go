package release_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
)

func (d made) manifests(t *testing.T) {
	consumer := fmt.Sprintf("%s/consumer:%s@%s", registry, version, d.open(t, "consumer").Digest)
	producer := fmt.Sprintf("%s/producer:%s@%s", registry, version, d.open(t, "producer").Digest)
	for _, overlay := range []string{"ordinary", "kata-cc", "confidential-aci", "coco"} {
		text := string(d.read(t, overlay+"-"+version+".yaml"))
		if strings.Count(text, "image: "+consumer+"\n") != 1 || strings.Count(text, "image: "+producer+"\n") != 1 || strings.Contains(text, "registry.example") {
			t.Errorf("the overlay %s does not name exactly the released images", overlay)
		}
		if strings.Contains(text, "@sha256:"+d.sidecar+"\n") != deploysSidecar(overlay+"-") {
			t.Errorf("the overlay %s does not name the sidecar by its digest", overlay)
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
