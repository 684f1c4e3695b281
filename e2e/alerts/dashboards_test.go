package alerts_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"kafka-e2ee/e2e/harness"
)

// dashboards returns the text of each dashboard, by its file.
func dashboards(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(harness.Path(t, "deploy/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		texts[name] = harness.ReadFile(t, "deploy/dashboards/"+name)
	}
	return texts
}

// Without this Grafana could ignore a misspelt setting of a panel, or show no panel at all. Grafana's own library has its
// schema; it accepts any type of panel, so those are listed here.
func TestDashboardsFollowGrafanasSchema(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	for name, text := range dashboards(t) {
		var d dashboard.Dashboard                                                                       //nolint:staticcheck // its successor's format needs a Grafana that is newer than those of today's clusters
		if problems := d.UnmarshalJSONStrict([]byte(text)); problems != nil && problems.Error() != "" { // an empty list is an error, too
			t.Errorf("%s: %v", name, problems)
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil || d.Validate() != nil || len(d.Panels) == 0 {
			t.Errorf("%s: %v, %v, %d panels", name, err, d.Validate(), len(d.Panels))
		}
		for _, p := range d.Panels {
			if p.Panel == nil || !slices.Contains([]string{"stat", "timeseries", "state-timeline"}, p.Panel.Type) {
				t.Errorf("%s: a panel of an unknown type: %+v", name, p.Panel)
			}
		}
	}
}

// panelQueries returns the queries of the dashboards, by dashboard and panel.
func panelQueries(t *testing.T) map[string]string {
	t.Helper()
	queries := map[string]string{}
	for name, text := range dashboards(t) {
		var dashboard struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, panel := range dashboard.Panels {
			for i, target := range panel.Targets {
				queries[fmt.Sprintf("%s, panel %q, query %d", name, panel.Title, i+1)] = target.Expr
			}
		}
	}
	return queries
}
