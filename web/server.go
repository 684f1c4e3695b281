// Package web is the feed of records and the page that shows it.
//
//	feed := web.NewFeed(1000)
//	site, err := web.New(web.Options{Feed: feed, Key: key, Kafka: kafka, Registerer: registry})
//	go site.Run(ctx)
//	err = site.HTTPServer().Serve(site.Listener(listener))
//
// The page is complete without JavaScript; with it, a stream of server-sent
// events keeps it live. All viewers see all records. The package knows nothing
// of Kafka, formats or sidecars: it shows what it is told, in its own words.
//
// Without Options.Access it has no sign-in and no TLS: whoever reaches it reads
// the messages.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/text/language"
)

// Options are what a Server shows, and to whom. All but Notice, Token, Again, Access and Log are required.
type Options struct {
	Feed       *Feed
	Key        func() KeyStatus                  // called for each rendering; must not wait
	Kafka      func() KafkaStatus                // as Key
	Notice     string                            // a line above everything
	Token      func() (token string, there bool) // this pod's attestation token, for download
	Again      func()                            // asks for the keys once more; limits itself
	Registerer prometheus.Registerer
	Access     Access
	Log        *slog.Logger // of who may see the page; nil: none
}

// Server serves the page, its stream and the API.
type Server struct {
	feed   *Feed
	key    func() KeyStatus
	kafka  func() KafkaStatus
	notice string
	token  func() (string, bool)
	again  func()
	open   string // the text that says who can see the page
	hub    *hub
	door   *door

	languages []words
	matcher   language.Matcher
	assets    assets
}

// New makes a server and registers its metrics.
func New(opts Options) (*Server, error) {
	if opts.Feed == nil || opts.Key == nil || opts.Kafka == nil || opts.Registerer == nil {
		return nil, errors.New("making the web server: an option is missing")
	}
	if opts.Token == nil {
		opts.Token = func() (string, bool) { return "", false }
	}
	if opts.Again == nil {
		opts.Again = func() {}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	door, err := newDoor(opts.Access, opts.Log)
	if err != nil {
		return nil, err
	}
	files, err := readAssets()
	if err != nil {
		return nil, fmt.Errorf("reading the page's files: %w", err)
	}
	s := &Server{
		feed: opts.Feed, key: opts.Key, kafka: opts.Kafka, notice: opts.Notice, token: opts.Token, again: opts.Again,
		open: door.note(), hub: newHub(), door: door, languages: languages(), assets: files,
	}
	tags := make([]language.Tag, len(s.languages))
	for i, l := range s.languages {
		tags[i] = language.MustParse(l.lang)
	}
	s.matcher = language.NewMatcher(tags)
	return s, errors.Join(s.register(opts.Registerer), door.register(opts.Registerer))
}

func (s *Server) register(r prometheus.Registerer) error {
	gauge := func(name, help string, value func() float64) error {
		return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	return errors.Join(
		r.Register(s.hub.cut),
		gauge("e2ee_viewers", "Pages that are open on the event stream.", func() float64 { return float64(s.hub.count()) }),
		gauge("e2ee_feed_records", "Records held for the page.", func() float64 { n, _ := s.feed.held(); return float64(n) }),
		gauge("e2ee_feed_bytes", "Bytes of the records held for the page.", func() float64 { _, n := s.feed.held(); return float64(n) }),
	)
}

// Handler serves every path of the page. Its event streams end with Run.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /api/records", s.records)
	mux.HandleFunc("GET /api/key", s.keyStatus)
	mux.HandleFunc("GET /records/{topic}/{partition}/{offset}", s.record)
	mux.HandleFunc("GET /proof", s.proof)
	mux.HandleFunc("GET /api/records/{topic}/{partition}/{offset}/{part}", s.bytes)
	mux.HandleFunc("GET /api/key/evidence", s.evidence)
	mux.HandleFunc("GET /api/key/token", s.downloadToken)
	mux.HandleFunc("POST /api/key/check", s.askAgain)
	mux.HandleFunc("GET /api/events", s.door.stream(s.events))
	mux.Handle("GET /static/{name}", s.assets)
	return guarded(s.door.admit(mux))
}

// HTTPServer is a server for Handler with a limit on every phase of a request;
// an event stream moves its own write limit along.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ConnContext: withMemory, ErrorLog: slog.NewLogLogger(s.door.log.Handler(), slog.LevelDebug),
	}
}

// Listener is what the HTTPServer is to serve on: it speaks TLS where there is a certificate.
func (s *Server) Listener(l net.Listener) net.Listener { return s.door.listener(l) }

// guarded sets the headers that keep a record's content what it is, text, and
// other sites out.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "requests from other sites are refused", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// english is the language of the API.
func (s *Server) english() words { return s.languages[0] }

// cursor names a place in the feed for Last-Event-ID.
func (s *Server) cursor(rev uint64) string { return s.feed.id + "-" + strconv.FormatUint(rev, 10) }
