// Package web serves the page that shows records, and an API for programs.
//
//	records := feed.New(1000)
//	site, err := web.New(web.Options{Feed: records, Key: key, Kafka: kafka, Registerer: registry})
//	go site.Run(ctx)
//	err = site.HTTPServer().Serve(site.Listener(listener))
//
// The page is complete without JavaScript. With it, a stream of server-sent events keeps the page live. All viewers see
// all records. The package knows nothing of Kafka, record formats or sidecars. It shows the states that it is given: package
// pages has the words and the HTML for them, this one the addresses, the streams and the limits.
//
// Without Options.Access there is no sign-in and no TLS: whoever reaches the page reads the messages.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/openapi"
	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/static"
)

// Options say what a Server shows, and to whom. Name, Notices, Token, RefreshKeys, Access, Attested and Log are
// optional.
type Options struct {
	Feed        *feed.Feed
	Key         func() podstatus.Key              // called for each page; must not block
	Kafka       func() podstatus.Kafka            // called for each page; must not block
	Name        string                            // of the pod, for title and heading: confidential or ordinary (see locales), or any text; empty: none
	Notices     []string                          // for the line at the top of the page: codes of texts (see locales), or texts
	Token       func() (token string, there bool) // this pod's attestation token, for download
	RefreshKeys func()                            // requests the keys once more; rate-limited
	Registerer  prometheus.Registerer
	Access      access.Settings
	Attested    *Attested // nil: the page has no attested address
	// PreferVerified says that senders are trusted here: the sample box prefers their records, and names the sender of
	// others beside the state.
	PreferVerified bool
	Export         bool         // viewers may take records away as a file
	Log            *slog.Logger // nil: none
}

// Server serves the page, its stream and the API.
type Server struct {
	feed           *feed.Feed
	key            func() podstatus.Key
	kafka          func() podstatus.Kafka
	name           string
	notices        []string
	started        time.Time // the counts begin here
	token          func() (string, bool)
	refreshKeys    func()
	log            *slog.Logger
	preferVerified bool
	exports        bool
	attested       *Attested
	hosts          []string // of the page; empty: any
	broadcaster    *broadcaster
	guard          *access.Guard

	answers   *limit.Budget // memory of answers
	streams   *limit.Budget // memory of the streams of programs
	searchSem chan struct{} // held while records are searched for a text, which takes a core and memory

	languages locale.Languages
	assets    static.Files
}

// New makes a server and registers its metrics.
func New(opts Options) (*Server, error) {
	if opts.Feed == nil || opts.Key == nil || opts.Kafka == nil || opts.Registerer == nil {
		return nil, errors.New("making the web server: an option is missing")
	}
	if opts.Token == nil {
		opts.Token = func() (string, bool) { return "", false }
	}
	if opts.RefreshKeys == nil {
		opts.RefreshKeys = func() {}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Attested != nil && len(opts.Access.Hosts) == 0 {
		return nil, errors.New("making the web server: the attested address needs hosts")
	}
	files, err := static.Pages()
	if err != nil {
		return nil, fmt.Errorf("reading the page's files: %w", err)
	}
	languages, err := locale.Read(locales)
	if err != nil {
		return nil, err
	}
	s := &Server{
		feed: opts.Feed, key: opts.Key, kafka: opts.Kafka, name: opts.Name, notices: opts.Notices, started: time.Now(), token: opts.Token, refreshKeys: opts.RefreshKeys,
		broadcaster: newBroadcaster(), log: opts.Log, answers: limit.NewBudget(answerBytes, answerWait), streams: limit.NewBudget(programBytes, answerWait), searchSem: make(chan struct{}, 2), languages: languages, assets: files, preferVerified: opts.PreferVerified, exports: opts.Export,
		attested: opts.Attested, hosts: opts.Access.Hosts,
	}
	if s.guard, err = access.New(opts.Access, s.refuse, opts.Log); err != nil {
		return nil, err
	}
	return s, errors.Join(s.register(opts.Registerer), s.guard.Register(opts.Registerer))
}

func (s *Server) register(r prometheus.Registerer) error {
	gauge := func(name, help string, value func() float64) error {
		return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	return errors.Join(
		r.Register(s.broadcaster.dropped),
		gauge("e2ee_viewers", "Pages that are open on the event stream.", func() float64 { return float64(s.broadcaster.count()) }),
		gauge("e2ee_feed_records", "Records held for the page.", func() float64 { n, _ := s.feed.Size(); return float64(n) }),
		gauge("e2ee_feed_bytes", "Bytes of the records held for the page.", func() float64 { _, n := s.feed.Size(); return float64(n) }),
	)
}

// Handler serves every path of the page. Its event streams end with Run.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /records/{topic}/{partition}/{offset}", s.record)
	mux.HandleFunc("GET /proof", s.proof)
	mux.Handle("GET /static/{name}", s.assets)
	mux.Handle("GET /favicon.ico", http.RedirectHandler(s.assets.Href("icon.svg"), http.StatusFound))
	for _, route := range s.apiRoutes() {
		mux.HandleFunc(route.path, s.onlyMethods(route.methods, route.handler))
	}
	for _, path := range []string{"/api", "/api/", "/.well-known/"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s.fail(w, r, http.StatusNotFound, "no_such_address")
		})
	}
	return s.secureHeaders(s.serveDocument(s.guard.Authenticate(mux)))
}

// route is an address of the API.
type route struct {
	methods, path string
	handler       http.HandlerFunc
}

// apiRoutes returns the addresses of the API, which the OpenAPI document describes.
func (s *Server) apiRoutes() []route {
	return []route{
		{"GET, HEAD", "/api/records", s.records},
		{"GET, HEAD", "/api/records/{topic}/{partition}/{offset}", s.oneRecord},
		{"GET, HEAD", "/api/records/{topic}/{partition}/{offset}/{part}", s.bytes},
		{"GET", "/api/stream", s.guard.LimitStreams(s.stream)}, // not HEAD, as for /api/events
		{"GET", "/api/export", s.export},                       // not HEAD: each answer is logged
		{"GET, HEAD", "/api/key", s.keyStatus},
		{"GET, HEAD", "/api/key/evidence", s.evidence},
		{"GET, HEAD", "/api/key/token", s.downloadToken},
		{"POST", "/api/key/check", s.checkKeys},
		{"GET", "/api/events", s.guard.LimitStreams(s.events)}, // not HEAD: the stream has no end, so a request for its headers would hold the connection
		{"GET, HEAD", "/api/openapi.json", s.openAPI},
	}
}

// openAPI answers GET /api/openapi.json.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", jsonType)
	_, _ = limit.NewWriter(w).Write(openapi.Document()) //nolint:errcheck // the client has gone
}

// HTTPServer returns a server for Handler, with a time limit for each phase of a request. Event streams have their own
// limits.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: limit.AnswerTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		// No handler reads a body. Without these limits HTTP/2 would hold a megabyte of it for each connection.
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 64 << 10, MaxReceiveBufferPerStream: 64 << 10},
		ConnContext: access.ConnContext, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Listener wraps the listener that the HTTPServer serves: with TLS if there is a certificate, and with a limit on open
// connections.
func (s *Server) Listener(l net.Listener) net.Listener { return s.guard.Listener(l) }

// What viewers request takes memory until they have received it. Answers, the streams of pages and the streams of
// programs have a budget each, so that none can use up another's.
const (
	answerBytes  = 32 << 20
	streamBytes  = 32 << 20
	programBytes = 16 << 20
	answerWait   = 2 * time.Second
	handlerBytes = 64 << 10 // bytes of an answer beside what it shows: stacks, and buffers of the connection
)

// reserve reserves memory for an answer. If there is none, it answers that the server is too busy.
func (s *Server) reserve(w http.ResponseWriter, r *http.Request, bytes int) (*limit.Reserved, bool) {
	reserved, ok := s.answers.Reserve(r.Context(), int64(bytes)+handlerBytes)
	if !ok {
		s.tooBusy(w, r)
	}
	return reserved, ok
}

func (s *Server) tooBusy(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "3")
	s.guard.Refuse(w, r, http.StatusServiceUnavailable, access.TooBusy)
}

// publicNotice returns the id of the text that warns that the page is public; empty if it is not.
func (s *Server) publicNotice(r *http.Request) string {
	switch {
	case !s.guard.Public():
		return ""
	case r.TLS != nil:
		return "no_sign_in"
	default:
		return "no_sign_in_no_tls"
	}
}
