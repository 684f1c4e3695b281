package alerts_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"

	"kafka-e2ee/e2e/harness"
)

// prometheus is a running Prometheus that scrapes pods every second, and evaluates the alerts as often.
type prometheus struct{ url string }

// startPrometheus starts Prometheus with the alerts. It scrapes the pods, which are addresses by name, and gives their series
// the labels that Prometheus' operator would. Each pod has a namespace to itself, with the same name.
func startPrometheus(t *testing.T, rules []monitoringv1.Rule, pods map[string]string) prometheus {
	t.Helper()
	type static struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	type job struct {
		Name    string   `json:"job_name"`
		Configs []static `json:"static_configs"`
	}
	var scraped []static
	for _, pod := range slices.Sorted(maps.Keys(pods)) {
		scraped = append(scraped, static{[]string{pods[pod]}, map[string]string{"namespace": pod, "pod": pod}})
	}
	folder, addr := t.TempDir(), harness.FreeAddr(t)
	writeRules(t, folder, rules)
	writeYAML(t, filepath.Join(folder, "prometheus.yaml"), map[string]any{
		"global":         map[string]string{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{"rules.yaml"},
		"scrape_configs": []job{{"kafka-e2ee", scraped}},
	})
	log := new(harness.LogBuffer)
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(folder, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+addr)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may have ended
		_ = cmd.Wait()         //nolint:errcheck // it was killed
		if t.Failed() {
			t.Logf("Prometheus' log: %s", log)
		}
	})
	p := prometheus{"http://" + addr}
	harness.Eventually(t, "Prometheus has scraped every pod three times", func() bool {
		return len(p.query(`count_over_time(up[1m]) >= 3 and on (pod) up == 1`)) == len(pods)
	})
	return p
}

// get reads what Prometheus' API answers, and reports whether it answers.
func (p prometheus) get(path string, into any) bool {
	resp, err := http.Get(p.url + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// query evaluates an expression now, and returns the labels of what it finds; nothing if Prometheus refuses it.
func (p prometheus) query(expr string) (found []map[string]string) {
	var answer struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expr), &answer)
	for _, series := range answer.Data.Result {
		found = append(found, series.Metric)
	}
	return found
}

// fired returns the alerts that have fired so far, by pod, in the order of their names. An alert about a pod that is gone
// names its namespace only.
func (p prometheus) fired() map[string][]string {
	byPod := map[string][]string{}
	for _, alert := range p.query(`group by (namespace, alertname) (last_over_time(ALERTS{alertstate="firing"}[1h]))`) {
		pod := alert["namespace"]
		byPod[pod] = append(byPod[pod], alert["alertname"])
	}
	for _, names := range byPod {
		slices.Sort(names)
	}
	return byPod
}

// checkRules checks that Prometheus could evaluate each alert.
func (p prometheus) checkRules(t *testing.T, want int) {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if !p.get("/api/v1/rules", &answer) || len(answer.Data.Groups) != 1 || len(answer.Data.Groups[0].Rules) != want {
		t.Fatalf("Prometheus has the rules %+v", answer)
	}
	for _, rule := range answer.Data.Groups[0].Rules {
		if rule.Health != "ok" || rule.LastError != "" {
			t.Errorf("%s: %s, %s", rule.Name, rule.Health, rule.LastError)
		}
	}
}
