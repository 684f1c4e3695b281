package containers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// consoleOf uses the console of the demo itself: what a presenter does there happens to the containers, without a restart of
// any.
func consoleOf(t *testing.T, d *demo, ordinary *harness.Pod) {
	t.Run("own console", func(t *testing.T) {
		started := d.started()
		d.Wait("the console shows a record in all columns", func() bool {
			page := string(d.Get(d.console))
			return strings.Contains(page, "Azure Confidential Computing") && strings.Contains(page, `class="column confidential good"`) && strings.Contains(page, `class="column ordinary wait"`)
		})
		d.onlyForItsViewers(t)

		d.press(t, "/send", url.Values{"line": {"from the audience"}})
		d.Wait("the line is read by one pod only", func() bool {
			isIt := func(r harness.Record) bool { return r.State == "decrypted" && r.Value == "from the audience" }
			return slices.ContainsFunc(d.Records(), isIt) && !slices.ContainsFunc(ordinary.Records(), isIt)
		})
		d.attack(t, "replay", "rsa", "not_noticed")

		d.press(t, "/scenario", url.Values{"scenario": {"tampered"}})
		d.Wait("the key is refused, and the history is there without it", func() bool {
			return d.KeyState() == "refused" && newest(d.Records(), "no_key") >= 0 && newest(d.Records(), "decrypted") < 0
		})
		d.Wait("the console shows what differs", func() bool {
			page := string(d.Get(d.console))
			return strings.Contains(page, "+ allow_exec := true") && strings.Contains(page, `data-testid="measured"`)
		})
		d.press(t, "/scenario", url.Values{"scenario": {"impostor"}})
		d.Wait("the key is released", func() bool { return d.KeyState() == "released" })
		d.Wait("verify refuses the impostor", func() bool {
			out, err := d.script("compose", "run", "--rm", "verify")
			return err != nil && strings.Contains(out, "the certificate's key is not the attested one")
		})
		d.press(t, "/format", url.Values{"format": {"envelope"}})
		d.press(t, "/scenario", url.Values{"scenario": {"good"}})
		d.Wait("records have a proven sender", func() bool {
			return slices.ContainsFunc(d.Records(), func(r harness.Record) bool { return r.State == "decrypted" && r.Sender.State == "verified" })
		})
		d.Wait("verify verifies the pod", func() bool {
			out, err := d.script("compose", "run", "--rm", "verify")
			return err == nil && strings.Contains(out, "Verified")
		})
		d.attack(t, "replay", "envelope", "flagged")
		if now := d.started(); now != started {
			t.Errorf("containers were started again: %s, before %s", now, started)
		}
		d.press(t, "/format", url.Values{"format": {"rsa"}})
		d.Wait("the pods are not strict any more", func() bool { return newest(d.Records(), "decrypted") >= 0 && newest(d.Records(), "rejected") < 0 })
	})
}

// started returns when each container was started.
func (d *demo) started() string {
	ids := strings.Fields(harness.Docker(d.t, "ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.compose.project="+demoName))
	slices.Sort(ids)
	return harness.Docker(d.t, append([]string{"inspect", "--format", "{{.Name}} {{.State.StartedAt}}"}, ids...)...)
}

// press does what a button of the console does.
func (d *demo) press(t *testing.T, path string, form url.Values) {
	t.Helper()
	if status := d.ask(t, http.MethodPost, path, strings.TrimPrefix(d.console, "http://"), d.console, form); status != http.StatusNoContent {
		t.Fatalf("%s %v: status %d", path, form, status)
	}
}

// ask sends a request to the console, and returns the status.
func (d *demo) ask(t *testing.T, method, path, host, origin string, form url.Values) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, d.console+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// attack does an attack on the console, which says what became of it.
func (d *demo) attack(t *testing.T, name, format, want string) {
	t.Helper()
	d.press(t, "/attack", url.Values{"attack": {name}})
	d.Wait(name+" is "+want+" with "+format, func() bool {
		return strings.Contains(string(d.Get(d.console)), fmt.Sprintf(`data-testid="outcome-%s-%s" data-outcome="%s"`, name, format, want))
	})
}

// onlyForItsViewers checks that neither a web site nor another container gets anything of the console.
func (d *demo) onlyForItsViewers(t *testing.T) {
	own := strings.TrimPrefix(d.console, "http://")
	for what, r := range map[string]struct{ method, path, host, origin string }{
		"another site's name":         {http.MethodGet, "/", "elsewhere.example", ""},
		"the confidential pod's":      {http.MethodGet, "/", "localhost:3333", ""},
		"another site's page":         {http.MethodPost, "/attack", own, "http://elsewhere.example"},
		"a pod's page":                {http.MethodPost, "/attack", own, d.Page},
		"a command without an origin": {http.MethodPost, "/attack", own, ""},
	} {
		if status := d.ask(t, r.method, r.path, r.host, r.origin, url.Values{"attack": {"rewind"}}); status != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", what, status)
		}
	}
	// A container beside the pod, which can reach the port, and knows the right name.
	ask := fmt.Sprintf(`exec 3<>/dev/tcp/pod/3335 && printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' >&3 && head -n 1 <&3`, own)
	out, err := exec.Command("docker", "run", "--rm", "--network", demoName+"_default", "--user", "0", "--entrypoint", "bash", harness.KafkaImageName(t), "-c", ask).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 403 ") {
		t.Errorf("another container: %v, %s", err, out)
	}
	if id := d.container("pod"); harness.Docker(t, "port", id, "3335/tcp") != "127.0.0.1:"+portOf(t, own) {
		t.Errorf("the console is published at %s", harness.Docker(t, "port", id, "3335/tcp"))
	}
}
