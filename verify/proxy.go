package verify

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"kafka-e2ee/skrclient/attested"
)

// serve shows the page on loopback until ctx ends. The page was verified, and its token expires at the given time.
func serve(ctx context.Context, cfg Config, verifier *attested.Verifier, expires time.Time, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening on loopback: %w", err)
	}
	p, err := newProxy(cfg.URL, listener.Addr().String(), &upstream{verifier: verifier, address: cfg.address(), out: out})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: p, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // of clients that hang up
	}
	_, err = fmt.Fprintf(out, `Open this address in a browser; it works in the first one. It shows %s for as long as this program runs and the page stays verified.
  %s
Between the browser and this program nothing is encrypted: a password for the page crosses this computer in the clear. Client certificates are not supported. Before you end this program, close the page, and the browser, too, if it has your password: another program of this computer could take over the address.
`, cfg.URL, p.firstAddress())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go p.upstream.watch(ctx, expires)
	go func() {
		<-ctx.Done()
		_ = server.Close() //nolint:errcheck // the program ends
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on loopback: %w", err)
	}
	return nil
}

// proxy shows one page to the one browser that opened its first address.
type proxy struct {
	target   *url.URL
	host     string // its own HOST:PORT; another one in a request is DNS rebinding
	upstream *upstream
	reverse  *httputil.ReverseProxy
	cookies  http.CookieJar // of the page: they stay here, and the browser has only the proxy's own

	ticket string // in the first address
	used   atomic.Bool
	secret string // in the cookie
}

func newProxy(target *url.URL, host string, upstream *upstream) (*proxy, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making cookie jar: %w", err)
	}
	p := &proxy{target: target, host: host, upstream: upstream, cookies: jar, ticket: rand.Text(), secret: rand.Text()}
	transport := upstream.verifier.Transport()
	transport.DialTLSContext = upstream.dial
	p.reverse = &httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: transport, ModifyResponse: p.filterResponse, ErrorHandler: refuse,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return p, nil
}

const firstPath = "/open/"

func (p *proxy) firstAddress() string { return "http://" + p.host + firstPath + p.ticket }

// cookieName differs between two proxies: browsers do not separate cookies by port.
func (p *proxy) cookieName() string {
	_, port, _ := net.SplitHostPort(p.host) //nolint:errcheck // it is a listener's address
	return "verify-" + port
}

// ServeHTTP gives the cookie to the first who opens the first address, and the page to who has the cookie.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	if r.Host != p.host {
		answer(w, http.StatusMisdirectedRequest, "this address is "+p.host)
		return
	}
	cookie, err := r.Cookie(p.cookieName())
	admitted := err == nil && equal(cookie.Value, p.secret)
	if equal(r.URL.Path, firstPath+p.ticket) && (admitted || p.used.CompareAndSwap(false, true)) {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // there is no TLS on loopback
			Name: p.cookieName(), Value: p.secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if !admitted {
		answer(w, http.StatusForbidden, "open the address that verify printed; it works in one browser (hint: start verify again)")
		return
	}
	p.reverse.ServeHTTP(w, r)
}

func equal(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }

// rewrite makes a request to the proxy one to the page.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(p.target) // its host, too
	for _, header := range []string{"Cookie", "Referer"} {
		r.Out.Header.Del(header)
	}
	for _, cookie := range p.cookies.Cookies(p.target) {
		r.Out.AddCookie(cookie)
	}
	if r.Out.Header.Get("Origin") == "http://"+p.host {
		r.Out.Header.Set("Origin", p.target.String())
	}
}

// filterResponse keeps the page's cookies here, and refuses a redirect to another host.
func (p *proxy) filterResponse(response *http.Response) error {
	p.cookies.SetCookies(p.target, response.Cookies())
	for _, header := range []string{"Set-Cookie", "Alt-Svc", "Refresh"} {
		response.Header.Del(header)
	}
	location := response.Header.Get("Location")
	if location == "" {
		return nil
	}
	to, err := response.Request.URL.Parse(location)
	if err != nil || to.Scheme != p.target.Scheme || to.Host != p.target.Host {
		return errors.New("the page redirects to another host, which is not verified")
	}
	response.Header.Set("Location", "http://"+p.host+to.RequestURI()) // a path of two slashes alone would name a host
	return nil
}

// refuse answers a request for which nothing of the page may be shown.
func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	if refused, ok := errors.AsType[*attested.RefusedError](err); ok {
		answer(w, http.StatusBadGateway, "verify refuses this page: "+refused.Error())
		return
	}
	answer(w, http.StatusBadGateway, "verify cannot show this page: "+err.Error())
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status) // as plain text
}
