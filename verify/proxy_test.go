package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
)

// browser opens the pages of a proxy, as a person would.
type browser struct {
	t      *testing.T
	client *http.Client
	first  string // the one-time address
	host   string
	rest   func() string // what the program printed after the address; it ends the program
}

// open starts a proxy for the page at the address, and a browser that has not opened its address yet.
func open(t *testing.T, service *attestedtest.Service, address string) *browser {
	t.Helper()
	cfg, err := Parse(append(flagsFor(t, service), "-open", address), "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Run(ctx, cfg, out)
		out.CloseWithError(io.EOF)
		ended <- err
	}()
	rest := make(chan string, 1)
	end := sync.OnceValue(func() string {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the proxy ended with %v", err)
		}
		return <-rest
	})
	t.Cleanup(func() { end() })
	lines := bufio.NewScanner(printed)
	for lines.Scan() {
		if address := strings.TrimSpace(lines.Text()); strings.HasPrefix(address, "http://") {
			go func() {
				var text strings.Builder
				for lines.Scan() {
					text.WriteString(lines.Text() + "\n")
				}
				rest <- text.String()
			}()
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			return &browser{t: t, client: newClient(t), first: address, host: u.Host, rest: end}
		}
	}
	rest <- ""
	t.Fatal("the proxy printed no address")
	return nil
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{}}
}

func (b *browser) get(address string, change ...func(*http.Request)) (status int, body string, header http.Header) {
	b.t.Helper()
	if !strings.HasPrefix(address, "http") {
		address = "http://" + b.host + address
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, change := range change {
		change(request)
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

// A viewer could not see the verified page in a browser.
func TestOpen(t *testing.T) {
	service := attestedtest.NewService(t)
	requests := make(chan *http.Request, 10)
	pod := service.NewPod(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: "ja", Path: "/", Secure: true, HttpOnly: true})
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/there?a=b", http.StatusFound)
		case "/slashes":
			w.Header().Set("Location", "https://"+r.Host+"//evil.example/")
			w.WriteHeader(http.StatusFound)
		case "/away":
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		default:
			page(w, r)
		}
	}))
	b := open(t, service, pod.URL)
	if status, body, header := b.get(b.first); status != 200 || body != "page /" || header.Get("Set-Cookie") != "" || header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("got %d, %q and %v", status, body, header)
	}
	first := <-requests
	if first.Host != pod.Address() || first.Header.Get("Cookie") != "" || first.Header.Get("X-Forwarded-For") != "" || first.Header.Get("Referer") != "" {
		t.Errorf("the page got host %q and %v", first.Host, first.Header)
	}
	if status, body, _ := b.get("/moved", func(r *http.Request) { r.Header.Set("Origin", "http://"+b.host) }); status != 200 || body != "page /there" {
		t.Errorf("a redirect within the page: got %d, %q", status, body)
	}
	if second := <-requests; second.Header.Get("Cookie") != "lang=ja" || second.Header.Get("Origin") != pod.URL {
		t.Errorf("the page got %v, want its own cookie and its own origin", second.Header)
	}
	<-requests
	if status, body, header := b.get("/away"); status != http.StatusBadGateway || !strings.Contains(body, "redirects to another host") || header.Get("Location") != "" {
		t.Errorf("a redirect to another host: got %d, %q and %v", status, body, header)
	}
	// A person signs in: the password goes on to the verified page, with each request.
	if status, _, _ := b.get("/private", func(r *http.Request) { r.SetBasicAuth("alice", "secret") }); status != 200 {
		t.Errorf("with a password: got %d", status)
	}
	<-requests // that of /away
	if _, password, ok := (<-requests).BasicAuth(); !ok || password != "secret" {
		t.Errorf("the page got the password %q", password)
	}
	if pod.Tokens() != 1 {
		t.Errorf("got %d tokens, want the verified key to be enough", pod.Tokens())
	}
	if status, body, _ := b.get("/slashes"); status != 200 || body != "page /evil.example/" {
		t.Errorf("a redirect to a path that looks like a host: got %d, %q", status, body)
	}
}

// Another user of the computer, or a page of the web, would see the page through the proxy.
func TestOpenRefusesOthers(t *testing.T) {
	service := attestedtest.NewService(t)
	var asked atomic.Int32
	pod := service.NewPod(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		page(w, r)
	}))
	b := open(t, service, pod.URL)
	for name, c := range map[string]struct {
		path   string
		change func(*http.Request)
		status int
	}{
		"no cookie": {"/", func(*http.Request) {}, 403},
		"wrong cookie": {"/", func(r *http.Request) {
			r.Header.Set("Cookie", "verify-"+b.host[strings.Index(b.host, ":")+1:]+"=guess")
		}, 403},
		"wrong address":  {"/open/guess", func(*http.Request) {}, 403},
		"DNS rebinding":  {"/", func(r *http.Request) { r.Host = "evil.example" }, 421},
		"localhost":      {"/", func(r *http.Request) { r.Host = strings.Replace(b.host, "127.0.0.1", "localhost", 1) }, 421},
		"rebound ticket": {strings.TrimPrefix(b.first, "http://"+b.host), func(r *http.Request) { r.Host = "evil.example" }, 421},
	} {
		if status, body, _ := b.get(c.path, c.change); status != c.status {
			t.Errorf("%s: got %d, %q; want %d", name, status, body, c.status)
		}
	}
	if status, _, _ := b.get(b.first); status != 200 {
		t.Fatalf("the first address: got %d", status)
	}
	other := &browser{t: t, client: newClient(t), host: b.host}
	if status, body, _ := other.get(b.first); status != 403 || !strings.Contains(body, "it works in one browser") {
		t.Errorf("the first address again: got %d, %q", status, body)
	}
	if status, _, _ := b.get(b.first); status != 200 || asked.Load() != 2 {
		t.Errorf("again in the same browser: got %d", status)
	}
	if status, _, _ := b.get("/"); status != 200 || asked.Load() != 3 {
		t.Errorf("got %d, and the page was asked %d times", status, asked.Load())
	}
	if host, _, err := net.SplitHostPort(b.host); err != nil || host != "127.0.0.1" {
		t.Errorf("it listens at %s", b.host)
	}
}

// stream is a page that never ends, like the page's events.
func stream(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/stream" {
		page(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: hello\n\n") //nolint:errcheck // the client has gone
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	<-r.Context().Done()
}

// A viewer would look at a page whose proof has ended, or that somebody else serves by now.
func TestOpenCutsARefusedPage(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(stream))
	var debug atomic.Bool
	pod.Claims = func(claims map[string]any) {
		claims["exp"] = time.Now().Add(2 * time.Second).Unix() // so that it is verified again soon
		claims["x-ms-sevsnpvm-is-debuggable"] = debug.Load()
	}
	b := open(t, service, pod.URL)
	b.get(b.first)
	response, err := b.client.Get("http://" + b.host + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	event := make([]byte, 5)
	if _, err := io.ReadFull(response.Body, event); err != nil || string(event) != "data:" {
		t.Fatalf("got %q and %v", event, err)
	}
	debug.Store(true)
	if _, err := io.ReadAll(response.Body); err == nil { // it ends once the stream is cut
		t.Error("the stream ended as if it were whole")
	}
	status, body, header := b.get("/")
	if status != http.StatusBadGateway || !strings.Contains(body, "verify refuses this page: debugging is not as the policy demands") || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d, %q and %v", status, body, header)
	}
	debug.Store(false)
	if status, body, _ := b.get("/"); status != 200 || body != "page /" {
		t.Errorf("once it can be verified again: got %d, %q", status, body)
	}
	if printed := b.rest(); strings.Count(printed, "REFUSED  debugging is not as the policy demands") != 1 {
		t.Errorf("the terminal shows %q, want the reason once", printed)
	}
}

// A man in the middle who lets no new connection through could keep an old one going for ever.
func TestOpenCutsAPageThatCannotBeChecked(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(stream))
	var away atomic.Bool
	pod.Claims = func(claims map[string]any) { claims["exp"] = time.Now().Add(2 * time.Second).Unix() }
	pod.Answer = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return away.Load()
	}
	b := open(t, service, pod.URL)
	b.get(b.first)
	response, err := b.client.Get("http://" + b.host + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	away.Store(true)
	if _, err := io.ReadAll(response.Body); err == nil { // it ends once the token has expired
		t.Error("the stream ended as if it were whole")
	}
	if printed := b.rest(); !strings.Contains(printed, "the last token has expired, and there is no new one") {
		t.Errorf("the terminal shows %q", printed)
	}
}

// A viewer would see nothing after the pod was restarted with a new key, or see an impostor that took its place.
func TestOpenVerifiesANewKey(t *testing.T) {
	service := attestedtest.NewService(t)
	way := newWay(t)
	first, second, impostor := service.NewPod(t, http.HandlerFunc(page)), service.NewPod(t, http.HandlerFunc(page)), service.NewPod(t, http.HandlerFunc(page))
	impostor.Answer = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	way.to(first.Address())
	b := open(t, service, "https://"+way.address())
	b.get(b.first)

	way.to(impostor.Address())
	if status, body, _ := b.get("/"); status != http.StatusBadGateway || !strings.Contains(body, "verify refuses this page: no attestation") {
		t.Errorf("without attestation: got %d, %q", status, body)
	}
	way.to(second.Address())
	if status, body, _ := b.get("/"); status != 200 || body != "page /" || second.Tokens() != 1 {
		t.Errorf("with a new key: got %d, %q and %d tokens", status, body, second.Tokens())
	}
	way.to("127.0.0.1:1")
	if status, body, _ := b.get("/"); status != http.StatusBadGateway || !strings.Contains(body, "verify cannot show this page: connecting: ") {
		t.Errorf("nothing there: got %d, %q", status, body)
	}
}

// way is the network between viewer and pod: one address, whose connections go where the test says.
type way struct {
	listener net.Listener
	mu       sync.Mutex
	target   string
	conns    []net.Conn
}

func newWay(t *testing.T) *way {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{listener: listener}
	t.Cleanup(func() {
		_ = listener.Close()
		w.to("")
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			onward, err := net.Dial("tcp", w.target)
			if err != nil {
				_ = conn.Close()
			} else {
				w.conns = append(w.conns, conn, onward)
				go io.Copy(onward, conn) //nolint:errcheck // ends with the connection
				go io.Copy(conn, onward) //nolint:errcheck // as above
			}
			w.mu.Unlock()
		}
	}()
	return w
}

func (w *way) address() string { return w.listener.Addr().String() }

// to ends the connections; the next ones go to the target.
func (w *way) to(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = target
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = nil
}

// A page would be shown that was refused while its connection was being made.
func TestUpstreamRefusesWhileCut(t *testing.T) {
	service := attestedtest.NewService(t)
	pod := service.NewPod(t, http.HandlerFunc(page))
	verifier, err := attested.New(attested.Config{Policy: service.Policy(), CAFile: service.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{verifier: verifier, address: pod.Address(), out: io.Discard}
	pod.Answer = func(http.ResponseWriter, *http.Request, string) bool {
		u.cut(errors.New("refused meanwhile"))
		return false
	}
	if _, err := u.dial(t.Context(), "tcp", pod.Address()); err == nil {
		t.Error("got a connection")
	}
	if _, err := u.dial(t.Context(), "tcp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "want only") {
		t.Errorf("another address: got %v", err)
	}
}
