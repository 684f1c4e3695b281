// Package access authenticates the page's viewers, limits their streams and provides TLS.
//
//	guard, err := access.New(settings, refuse, log)
//	go guard.Run(ctx)
//	server := &http.Server{Handler: guard.Authenticate(pages), ConnContext: access.ConnContext}
//	err = server.Serve(guard.Listener(listener))
//
// It reports codes, not texts: the caller answers refused requests. Without settings, everyone who reaches the page may
// read it, and nothing is encrypted on the way.
package access

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Reason is a code for why a request is refused. It is a label of a metric and holds nothing of the request.
type Reason string

// The reasons.
const (
	WrongHost           Reason = "host"               // the Host header is not in WEB_HOSTS
	NoClientCertificate Reason = "client_certificate" // none from a trusted root
	NotSignedIn         Reason = "password"           // no name and password, or wrong ones
	TooManyPasswords    Reason = "too_many_passwords" // wrong ones, or more than can be checked now
	TooManyStreams      Reason = "too_many_streams"   // WEB_STREAMS are open
	TooBusy             Reason = "too_busy"           // no memory is left for an answer
	TooManyRequests     Reason = "too_many_requests"  // without sign-in, from one address
)

// Refuse answers a request that is refused. It is called with a header that may already hold Retry-After and the like.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, reason Reason)

// Guard authenticates viewers and limits concurrent streams.
type Guard struct {
	settings     Settings
	hosts        []string // empty: all
	writeRefusal Refuse
	log          *slog.Logger

	loader      *loader // of Run alone
	credentials atomic.Pointer[credentials]
	passwords   *throttle     // wrong ones
	requests    *throttle     // without sign-in
	bcryptSem   chan struct{} // held while a password is checked, which takes a core
	bcryptQueue chan struct{} // held by requests that wait for bcryptSem: each is in memory
	streamSem   chan struct{} // held by open streams

	refused  *prometheus.CounterVec
	unusable *prometheus.GaugeVec // parts of the credentials whose files cannot be used
}

// maxQueue is how many requests may wait for their password to be checked.
const maxQueue = 128

// New returns a guard. It fails if the settings or their files cannot be used.
func New(settings Settings, writeRefusal Refuse, log *slog.Logger) (*Guard, error) {
	loader, err := settings.load()
	if err != nil {
		return nil, err
	}
	if settings.Streams == 0 {
		settings.Streams = defaultStreams
	}
	g := &Guard{
		settings: settings, writeRefusal: writeRefusal, log: log, loader: loader, passwords: newThrottle(freeFailures, failureFades), requests: newThrottle(freeRequests, requestFades),
		bcryptSem: make(chan struct{}, 1), bcryptQueue: make(chan struct{}, maxQueue), streamSem: make(chan struct{}, settings.Streams),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "e2ee_web_refused_requests_total", Help: "Requests to the page that were refused, by reason."}, []string{"reason"}),
		unusable: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "e2ee_web_files_unusable", Help: "1 if the files of this part have changed and cannot be used, so that those before stay in use."}, []string{"part"}),
	}
	for _, host := range settings.Hosts {
		g.hosts = append(g.hosts, hostOnly(host))
	}
	for _, reason := range []Reason{WrongHost, NoClientCertificate, NotSignedIn, TooManyPasswords, TooManyStreams, TooBusy, TooManyRequests} {
		g.refused.WithLabelValues(string(reason))
	}
	for _, part := range [...]string{"certificate", "client_roots", "users"} {
		g.unusable.WithLabelValues(part)
	}
	g.credentials.Store(loader.credentials())
	return g, nil
}

// Register registers the guard's metrics.
func (g *Guard) Register(r prometheus.Registerer) error {
	problems := []error{r.Register(g.refused), r.Register(g.unusable)}
	if g.TLS() {
		problems = append(problems, r.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "e2ee_web_certificate_expiry_timestamp_seconds", Help: "When the page's certificate expires, in Unix time."},
			func() float64 { return float64(g.credentials.Load().expires.Unix()) })))
	}
	return errors.Join(problems...)
}

// TLS reports whether the page at WEB_ADDR is served over TLS.
func (g *Guard) TLS() bool { return g.settings.TLSCertFile != "" }

// Public reports whether everyone who reaches the page may read it.
func (g *Guard) Public() bool {
	c := g.credentials.Load()
	return c.users == nil && c.clientRoots == nil
}

// CheckHost serves requests for the hosts in WEB_HOSTS.
func (g *Guard) CheckHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(g.hosts) > 0 && !slices.Contains(g.hosts, hostOnly(r.Host)) {
			g.Refuse(w, r, http.StatusMisdirectedRequest, WrongHost)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Authenticate serves the viewers who may see the page. It checks the host, too.
func (g *Guard) Authenticate(next http.Handler) http.Handler {
	return g.CheckHost(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.credentials.Load()
		if !c.trustClient(r) {
			w.Header().Set("Connection", "close")
			g.Refuse(w, r, http.StatusForbidden, NoClientCertificate)
			return
		}
		if c.users == nil || g.signIn(w, r, c.users) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), credentialsKey{}, c)))
		}
	}))
}

// credentialsKey is the key of a request's context for the credentials that it was checked against.
type credentialsKey struct{}

// LimitStreams limits how many streams are open at once. It ends a stream once other credentials are in use: the page's
// script then connects again and is authenticated again.
func (g *Guard) LimitStreams(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case g.streamSem <- struct{}{}:
		default:
			w.Header().Set("Retry-After", "10")
			g.Refuse(w, r, http.StatusTooManyRequests, TooManyStreams)
			return
		}
		defer func() { <-g.streamSem }()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if c, ok := ctx.Value(credentialsKey{}).(*credentials); ok {
			go func() {
				select {
				case <-c.replaced:
					cancel()
				case <-ctx.Done():
				}
			}()
		}
		next(w, r.WithContext(ctx))
	}
}

// LimitRequests limits how many requests an address makes to what anybody may see.
func (g *Guard) LimitRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := Network(r.RemoteAddr)
		if wait := g.requests.wait(from); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			g.Refuse(w, r, http.StatusTooManyRequests, TooManyRequests)
			return
		}
		g.requests.count(from)
		next.ServeHTTP(w, r)
	})
}

// Refuse counts a refused request and answers it.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, status int, reason Reason) {
	g.refused.WithLabelValues(string(reason)).Inc()
	g.writeRefusal(w, r, status, reason)
}

// hostOnly returns the host of a Host header in the form in which hosts are compared: without port, brackets and final
// dot, in lower case.
func hostOnly(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String()
	}
	return host
}
