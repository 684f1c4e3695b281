package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// door lets in who may see the page, and as many at once as the page has room for.
type door struct {
	access  Access
	hosts   []string // empty: all
	places  chan struct{}
	log     *slog.Logger
	refused *prometheus.CounterVec
	tries   *throttle
	desk    chan struct{} // held while a password is checked: that takes a core

	pass atomic.Pointer[pass]
	seen fingerprint // of the files behind pass; used by follow alone
}

// The values of the metric's label, and nothing of the request.
const (
	refusedHost     = "host"
	refusedClient   = "client_certificate"
	refusedPassword = "password"
	refusedThrottle = "too_many_passwords"
	refusedStream   = "too_many_streams"
)

func newDoor(access Access, log *slog.Logger) (*door, error) {
	if err := access.CheckAccess(); err != nil {
		return nil, err
	}
	if access.Streams == 0 {
		access.Streams = usualStreams
	}
	d := &door{
		access: access, places: make(chan struct{}, access.Streams), log: log, tries: newThrottle(), desk: make(chan struct{}, 1),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "e2ee_web_refused_total", Help: "Requests to the page that were refused, by reason."}, []string{"reason"}),
	}
	for _, host := range access.Hosts {
		d.hosts = append(d.hosts, hostOnly(host))
	}
	for _, reason := range []string{refusedHost, refusedClient, refusedPassword, refusedThrottle, refusedStream} {
		d.refused.WithLabelValues(reason)
	}
	pass, seen, err := access.pass()
	if err != nil {
		return nil, err
	}
	d.pass.Store(pass)
	d.seen = seen
	return d, nil
}

func (d *door) register(r prometheus.Registerer) error {
	problems := []error{r.Register(d.refused)}
	if d.access.TLSCertFile != "" {
		problems = append(problems, r.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "e2ee_web_certificate_expires_seconds", Help: "When the page's certificate expires, in Unix time."},
			func() float64 { return float64(d.pass.Load().expires.Unix()) })))
	}
	return errors.Join(problems...)
}

// listener speaks TLS where there is a certificate.
func (d *door) listener(l net.Listener) net.Listener {
	if d.access.TLSCertFile == "" {
		return l
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return d.pass.Load().tls, nil
		},
	})
}

// isOpen says whether everyone who reaches the page may read it.
func (d *door) isOpen() bool { return d.access.UsersFile == "" && d.access.ClientCAFile == "" }

// note is the id of the words that say so; empty where it is not so.
func (d *door) note() string {
	switch {
	case !d.isOpen():
		return ""
	case d.access.TLSCertFile != "":
		return "open.tls"
	default:
		return "open"
	}
}

// admit serves those who may see the page.
func (d *door) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(d.hosts) > 0 && !slices.Contains(d.hosts, hostOnly(r.Host)) {
			d.refuse(w, http.StatusMisdirectedRequest, refusedHost, "this page does not answer to this host name (hint: add it to WEB_HOSTS)")
			return
		}
		p := d.pass.Load()
		if !p.admits(r) {
			w.Header().Set("Connection", "close")
			d.refuse(w, http.StatusForbidden, refusedClient, "this page wants a client certificate from a root in WEB_CLIENT_CA_FILE")
			return
		}
		if p.users == nil || d.signIn(w, r, p.users) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passKey{}, p)))
		}
	})
}

// passKey is where a request's context keeps what let it in.
type passKey struct{}

// stream bounds how many streams are open in all. One ends when what let it in has been replaced: the page's script
// then connects again, and is let in or not.
func (d *door) stream(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case d.places <- struct{}{}:
		default:
			w.Header().Set("Retry-After", "10")
			d.refuse(w, http.StatusTooManyRequests, refusedStream, "too many pages are live (hint: close some, or set a higher WEB_STREAMS)")
			return
		}
		defer func() { <-d.places }()
		ctx, end := context.WithCancel(r.Context())
		defer end()
		if p, ok := ctx.Value(passKey{}).(*pass); ok {
			go func() {
				select {
				case <-p.replaced:
					end()
				case <-ctx.Done():
				}
			}()
		}
		next(w, r.WithContext(ctx))
	}
}

func (d *door) refuse(w http.ResponseWriter, status int, reason, text string) {
	d.refused.WithLabelValues(reason).Inc()
	http.Error(w, text, status)
}

// hostOnly is the name in a Host header as it is compared: without port, brackets, a final dot, and in small letters.
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
