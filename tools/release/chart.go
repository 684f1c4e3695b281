package release

import (
	"context"
	"fmt"
	"strings"
)

// chart writes the Helm chart as "helm package" does, with the release's version and images.
func (r *release) chart(ctx context.Context) error {
	const folder = "deploy/helm/"
	files, err := r.tracked(ctx, folder)
	if err != nil {
		return err
	}
	number := strings.TrimPrefix(r.version, "v")
	lines := map[string]map[string]string{
		"Chart.yaml":  {`version: .*`: "version: " + number},
		"values.yaml": {`  consumer: ""`: "  consumer: " + r.reference("consumer"), `  producer: ""`: "  producer: " + r.reference("producer")},
	}
	for i := range files {
		files[i].Name = strings.TrimPrefix(files[i].Name, folder)
		for pattern, line := range lines[files[i].Name] {
			if files[i].Content, err = setLine(files[i].Content, pattern, line); err != nil {
				return fmt.Errorf("reading %s%s: %w", folder, files[i].Name, err)
			}
		}
	}
	return r.archive("kafka-e2ee-"+number+".tgz", "kafka-e2ee/", files)
}
