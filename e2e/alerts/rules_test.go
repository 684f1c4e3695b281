// Package alerts_test proves the alerts: Prometheus reads the rules, each alert fires when it should and not otherwise, and
// every query of the dashboards finds data. It runs the programs as built, and the real prometheus and promtool.
package alerts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"

	"kafka-e2ee/e2e/harness"
)

// rules returns the alerts as they are deployed.
func rules(t *testing.T) []monitoringv1.Rule {
	t.Helper()
	var object monitoringv1.PrometheusRule
	if err := yaml.UnmarshalStrict([]byte(harness.ReadFile(t, "deploy/kubernetes/components/monitoring/alerts.yaml")), &object); err != nil {
		t.Fatal(err)
	}
	if len(object.Spec.Groups) != 1 || len(object.Spec.Groups[0].Rules) == 0 {
		t.Fatalf("got %d groups of alerts, want one with alerts", len(object.Spec.Groups))
	}
	return object.Spec.Groups[0].Rules
}

// divisor is how much sooner the alerts fire in the test with the real Prometheus.
const divisor = 60

// shortened returns the alerts with each "for" divided, so ten minutes become ten seconds. Nothing else changes: the
// expressions are those that are deployed. TestDurations shows how long "for" really is.
func shortened(t *testing.T, deployed []monitoringv1.Rule) []monitoringv1.Rule {
	t.Helper()
	var sooner []monitoringv1.Rule
	for _, rule := range deployed {
		if rule.For != nil {
			held, err := model.ParseDuration(string(*rule.For))
			if err != nil {
				t.Fatal(err)
			}
			short := monitoringv1.Duration(model.Duration(time.Duration(held) / divisor).String())
			rule.For = &short
		}
		sooner = append(sooner, rule)
	}
	return sooner
}

// writeRules writes the alerts into a folder, as the file rules.yaml of Prometheus.
func writeRules(t *testing.T, folder string, rules []monitoringv1.Rule) {
	t.Helper()
	writeYAML(t, filepath.Join(folder, "rules.yaml"), monitoringv1.PrometheusRuleSpec{Groups: []monitoringv1.RuleGroup{{Name: "kafka-e2ee", Rules: rules}}})
}

func writeYAML(t *testing.T, name string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// promtool runs promtool in a folder.
func promtool(t *testing.T, folder string, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Without this Prometheus could refuse all alerts for a mistake in one, unnoticed until they are needed, or an alert
// could give nobody advice.
func TestAlertsAreValid(t *testing.T) {
	t.Parallel()
	harness.Require(t, harness.Promtool)
	folder, operations := t.TempDir(), harness.ReadFile(t, "docs/operations.md")
	writeRules(t, folder, rules(t))
	promtool(t, folder, "check", "rules", "rules.yaml")
	named := map[string]bool{}
	for _, rule := range rules(t) {
		if !strings.Contains(operations, "| `"+rule.Alert+"` |") {
			t.Errorf("docs/operations.md does not say what to do about %s", rule.Alert)
		}
		if named[rule.Alert] || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
			t.Errorf("%s: named twice: %v, labels %v, annotations %v", rule.Alert, named[rule.Alert], rule.Labels, rule.Annotations)
		}
		named[rule.Alert] = true
	}
	for _, row := range strings.Split(operations, "\n| `KafkaE2EE")[1:] {
		if name := "KafkaE2EE" + strings.SplitN(row, "`", 2)[0]; !named[name] {
			t.Errorf("docs/operations.md describes %s, which does not exist", name)
		}
	}
}
