package console

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// Without this another computer, or a page of another site that the presenter has open, could read messages in plaintext,
// send messages, and attack.
func TestOnlyThisComputersOwnViewers(t *testing.T) {
	demo := newFakeDemo(t)
	loopback, err := New(demo)
	if err != nil {
		t.Fatal(err)
	}
	demo.addresses.Inside.Gateway = netip.MustParseAddr("172.20.0.1")
	published, err := New(demo)
	if err != nil {
		t.Fatal(err)
	}
	const here = "localhost:3335"
	for name, tc := range map[string]struct {
		method, path, peer, host string
		header                   http.Header
		want                     int
	}{
		"a viewer":                         {"GET", "/", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"none"}}, 200},
		"a viewer over IPv6":               {"GET", "/", "[::1]:50000", "[::1]:3335", nil, 200},
		"an IPv4 viewer on an IPv6 socket": {"GET", "/", "[::ffff:127.0.0.1]:50000", "127.0.0.1:3335", nil, 200},
		"the page itself":                  {"GET", "/static/console.js", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		"a command of the page":            {"POST", "/selection", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://" + here}}, 303},
		"a command of an older browser":    {"POST", "/selection", "127.0.0.1:50000", here, http.Header{"Origin": {"http://" + here}}, 303},

		"a viewer of a published port, who is not expected": {"GET", "/", "172.20.0.1:50000", here, nil, 403},

		"another computer":              {"GET", "/", "192.0.2.1:50000", here, nil, 403},
		"another computer's stream":     {"GET", "/events", "192.0.2.1:50000", here, nil, 403},
		"another computer's command":    {"POST", "/selection", "192.0.2.1:50000", here, http.Header{"Origin": {"http://" + here}}, 403},
		"no peer":                       {"GET", "/", "@", here, nil, 403},
		"another site's name":           {"GET", "/", "127.0.0.1:50000", "evil.example:3335", nil, 403},
		"another port's name":           {"GET", "/", "127.0.0.1:50000", "localhost:3333", nil, 403},
		"no name":                       {"GET", "/", "127.0.0.1:50000", "", nil, 403},
		"another site's script":         {"GET", "/events", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"a pod's page":                  {"GET", "/events", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:3333"}}, 403},
		"a link on another site":        {"GET", "/", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}, 403},
		"another origin, old browser":   {"GET", "/", "127.0.0.1:50000", here, http.Header{"Origin": {"http://evil.example"}}, 403},
		"a sandboxed page":              {"POST", "/selection", "127.0.0.1:50000", here, http.Header{"Origin": {"null"}}, 403},
		"a command of another site":     {"POST", "/attack", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://evil.example"}}, 403},
		"a command of a pod's page":     {"POST", "/attack", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:3333"}}, 403},
		"a command from an address bar": {"POST", "/send", "127.0.0.1:50000", here, http.Header{"Sec-Fetch-Site": {"none"}}, 403},
		"a command of nobody":           {"POST", "/send", "127.0.0.1:50000", here, nil, 403},
		"over another scheme":           {"POST", "/send", "127.0.0.1:50000", here, http.Header{"Origin": {"https://" + here}}, 403},
	} {
		ask := func(t *testing.T, c *Console, peer string, want int) {
			t.Helper()
			r := httptest.NewRequest(tc.method, tc.path, strings.NewReader("do=newest"))
			r.RemoteAddr, r.Host = peer, tc.host
			if tc.header != nil {
				r.Header = tc.header.Clone()
			}
			if tc.method == "POST" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			w := httptest.NewRecorder()
			c.Handler().ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("from %s: status %d, want %d: %.80s", peer, w.Code, want, w.Body)
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
				t.Errorf("content security policy %q", policy)
			}
		}
		t.Run(name, func(t *testing.T) { ask(t, loopback, tc.peer, tc.want) })
		t.Run(name+", in a container", func(t *testing.T) {
			switch tc.peer {
			case "172.20.0.1:50000":
				ask(t, published, tc.peer, 200)
			case "127.0.0.1:50000": // the same viewer, through the published port: Host and Origin count as before
				ask(t, published, "172.20.0.1:50000", tc.want)
				ask(t, published, "172.20.0.2:50000", 403) // another container
			default:
				ask(t, published, tc.peer, tc.want)
			}
		})
	}
}

// Without this the console, and with it the emulated cloud, could be part of the programs that hold real keys.
func TestNotInTheImages(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "kafka-e2ee/cmd/produce", "kafka-e2ee/cmd/consume")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil || !strings.Contains(string(out), "kafka-e2ee/web\n") {
		t.Fatalf("listing what the programs import: %v", err)
	}
	if strings.Contains(string(out), "kafka-e2ee/lab") {
		t.Error("the programs of the images import the lab")
	}
}
