package manifests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/web/access"
)

const composeFile = "../../deploy/compose/compose.yaml"

// composeProject loads the file as the current compose does, strictly.
func composeProject(t testing.TB) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{composeFile}, cli.WithName("kafka-e2ee"), cli.WithDefaultProfiles("*"), cli.WithResolvedPaths(false))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// Without this the demo could be reachable from the computer's network, run as root, or need help after a crash.
func TestComposeFollowsItsRules(t *testing.T) {
	project := composeProject(t)
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is published on %q", name, port.Published, port.HostIP)
			}
		}
		if service.Build != nil {
			t.Errorf("%s: is built by compose", name)
		}
		if service.Restart != "unless-stopped" {
			t.Errorf("%s: restart is %q", name, service.Restart)
		}
		if name == "kafka" {
			continue // another project's image
		}
		if !service.ReadOnly || strings.Join(service.CapDrop, "") != "ALL" || strings.Join(service.SecurityOpt, "") != "no-new-privileges:true" {
			t.Errorf("%s: is not hardened", name)
		}
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Source == "private-key" && name != "lab" {
				t.Errorf("%s: has access to the private keys", name)
			}
			if name != "lab" && name != "kafka" && !volume.ReadOnly && volume.Source != "" {
				t.Errorf("%s: may write to %s, and so decide what the pods do", name, volume.Source)
			}
			if strings.Contains(volume.Source, "docker.sock") {
				t.Errorf("%s: may do everything on this computer", name)
			}
		}
	}
	// The pages answer to their published names only, so that no web site can read them by its own name; and no record
	// or viewer exhausts the computer's memory.
	for _, name := range []string{"consumer", "ordinary", "lab"} {
		service := project.Services[name]
		if service.MemLimit != 1<<30 {
			t.Errorf("%s: its memory is limited to %d bytes", name, service.MemLimit)
		}
		if hosts := service.Environment["WEB_HOSTS"]; name != "lab" && (hosts == nil || *hosts != "localhost,127.0.0.1") {
			t.Errorf("%s: WEB_HOSTS is %v", name, hosts)
		}
	}
	consumer, lab := project.Services["consumer"], project.Services["lab"]
	if consumer.NetworkMode != "service:pod" || lab.NetworkMode != "service:pod" {
		t.Error("consumer and sidecar do not share the pod's network")
	}
	for _, need := range []struct{ service, of, condition string }{
		{"lab", "kafka", types.ServiceConditionHealthy},
		{"consumer", "lab", types.ServiceConditionHealthy},
		{"consumer", "kafka", types.ServiceConditionHealthy},
		{"ordinary", "lab", types.ServiceConditionHealthy},
		{"ordinary", "kafka", types.ServiceConditionHealthy},
	} {
		if got := project.Services[need.service].DependsOn[need.of].Condition; got != need.condition {
			t.Errorf("%s starts when %s is %q, want %q", need.service, need.of, got, need.condition)
		}
	}
}

// Without this a renamed metric would leave a panel empty or an alert silent, unnoticed until it is needed.
func TestQueriesFindTheirMetrics(t *testing.T) {
	c, key := harness.Broker(t, 1), harness.NewKey(t)
	_, url := harness.Sidecar(t, key)
	p, _ := harness.StartConsumer(t, c, url)
	metrics := harness.FreeAddr(t)
	harness.Start(t, "produce", nil, "BROKERS="+c.ListenAddrs()[0], "TOPIC="+harness.Topic, "PUBKEY="+harness.PublicPEM(t, &key.PublicKey), "METRICS_ADDR="+metrics, "MSG=x")
	// A third program, whose page has a certificate, and an attested address.
	folder, tlsMetrics := t.TempDir(), harness.FreeAddr(t)
	hosts := func(string) (string, bool) { return "localhost", true }
	if err := access.MakeCertificate(t.Context(), folder, hosts, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, "consume", nil, "BROKERS="+c.ListenAddrs()[0], "TOPIC="+harness.Topic, "WEB_ADDR="+harness.FreeAddr(t), "METRICS_ADDR="+tlsMetrics,
		"WEB_ATTESTED_ADDR="+harness.FreeAddr(t), "WEB_HOSTS=localhost",
		"WEB_TLS_CERT_FILE="+filepath.Join(folder, "tls.crt"), "WEB_TLS_KEY_FILE="+filepath.Join(folder, "tls.key"))
	harness.Write(t, c, 0, harness.Encrypt(t, key, "x"))
	p.Wait("all programs expose metrics", func() bool {
		return p.RecordsRead() > 0 && p.Get("http://"+metrics+"/metrics") != nil && p.Get("http://"+tlsMetrics+"/metrics") != nil
	})
	exposed := string(p.Get(p.Metrics+"/metrics")) + string(p.Get("http://"+metrics+"/metrics")) + string(p.Get("http://"+tlsMetrics+"/metrics"))

	var alerts struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
	}
	readYAML(t, "../../deploy/kubernetes/components/monitoring/alerts.yaml", &alerts)
	queries := map[string]string{}
	panels := dashboardPanels(t)
	for name, panel := range panels {
		if panel.Datasource.UID != "prometheus" || len(panel.Targets) == 0 {
			t.Errorf("%s has no data source or no query", name)
		}
		for i, target := range panel.Targets {
			queries[fmt.Sprintf("%s, query %d", name, i)] = target.Expr
		}
	}
	for _, rule := range alerts.Spec.Groups[0].Rules {
		queries["alert "+rule.Alert] = rule.Expr
	}
	for name, query := range queries {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				for _, series := range matchersFor(selector) {
					if !regexp.MustCompile(`(?m)^` + series).MatchString(exposed) {
						t.Errorf("%s: no program exposes %s", name, series)
					}
				}
			}
			return nil
		})
	}
	for _, metric := range regexp.MustCompile("`(e2ee_[a-z_]+)").FindAllStringSubmatch(harness.ReadFile(t, "docs/operations.md"), -1) {
		if !regexp.MustCompile(`(?m)^# TYPE ` + metric[1] + ` `).MatchString(exposed) {
			t.Errorf("docs/operations.md: no program exposes %s", metric[1])
		}
	}
	if len(queries) <= len(panels) {
		t.Errorf("%d panels, %d queries in all", len(panels), len(queries))
	}
}

// panel is one panel of a dashboard.
type panel struct {
	ID         int
	Title      string
	Datasource struct{ UID string }
	Targets    []struct{ Expr string }
}

// dashboardPanels returns the panels of both dashboards by name.
func dashboardPanels(t *testing.T) map[string]panel {
	t.Helper()
	files, err := filepath.Glob("../../deploy/dashboards/*.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("got the dashboards %v, %v, want two", files, err)
	}
	panels := map[string]panel{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			UID    string
			Panels []panel
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		if dashboard.UID != strings.TrimSuffix(name, ".json") || len(dashboard.Panels) == 0 {
			t.Errorf("%s: the id is %q, %d panels", name, dashboard.UID, len(dashboard.Panels))
		}
		ids := map[int]bool{}
		for _, p := range dashboard.Panels {
			if ids[p.ID] || p.Title == "" {
				t.Errorf("%s: panel %d, %q, has another's id or no title", name, p.ID, p.Title)
			}
			ids[p.ID] = true
			panels[fmt.Sprintf("%s, panel %q", name, p.Title)] = p
		}
	}
	return panels
}

// matchersFor returns regular expressions for the series that a selector must find: one for each value that it names.
func matchersFor(selector *parser.VectorSelector) []string {
	series := []string{selector.Name + `[{ ]`}
	for _, m := range selector.LabelMatchers {
		if m.Name == "__name__" {
			continue
		}
		for value := range strings.SplitSeq(m.Value, "|") {
			series = append(series, fmt.Sprintf(`%s\{(.*,)?%s=%q`, selector.Name, m.Name, value))
		}
	}
	return series
}

// Without this Prometheus could scrape nothing, or Grafana find no dashboard; no test starts these two containers.
func TestMetricsProfileFitsTogether(t *testing.T) {
	project := composeProject(t)
	var prometheus struct {
		ScrapeConfigs []struct {
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "../../deploy/compose/prometheus.yml", &prometheus)
	for _, config := range prometheus.ScrapeConfigs {
		for _, static := range config.StaticConfigs {
			for _, target := range static.Targets {
				// The confidential pod's network has the consumer's metrics and, at the next port, the producer's.
				if !slices.Contains([]string{"pod:9464", "pod:9465", "ordinary:9464"}, target) {
					t.Errorf("%s is scraped and no service listens there", target)
				}
			}
		}
	}
	var source struct {
		Datasources []struct{ UID, URL string }
	}
	readYAML(t, "../../deploy/compose/grafana/provisioning/datasources/prometheus.yaml", &source)
	if len(source.Datasources) != 1 || source.Datasources[0].UID != "prometheus" || source.Datasources[0].URL != "http://prometheus:9090" {
		t.Errorf("Grafana's data source: %+v", source)
	}
	var provider struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, "../../deploy/compose/grafana/provisioning/dashboards/kafka-e2ee.yaml", &provider)
	mounted := map[string]string{}
	for _, volume := range project.Services["grafana"].Volumes {
		mounted[volume.Target] = volume.Source
	}
	folder := mounted[provider.Providers[0].Options.Path]
	if found, err := filepath.Glob(filepath.Join("../../deploy/compose", folder, "*.json")); err != nil || len(found) == 0 {
		t.Errorf("no dashboard in %q, %v", folder, err)
	}
}

func readYAML(t testing.TB, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
