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
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

//go:embed static
var static embed.FS

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
	words  words
	hub    *hub
	door   *door
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
	s := &Server{
		feed: opts.Feed, key: opts.Key, kafka: opts.Kafka, notice: opts.Notice, token: opts.Token, again: opts.Again,
		words: english(), hub: newHub(), door: door,
	}
	s.words["open"] = s.words[door.note()]
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
	mux.HandleFunc("GET /api/key/token", s.downloadToken)
	mux.HandleFunc("POST /api/key/check", s.askAgain)
	mux.HandleFunc("GET /api/events", s.door.stream(s.events))
	if assets, err := fs.Sub(static, "static"); err == nil {
		mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(assets)))
	}
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

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	list, rev := s.feed.newest(firstRows)
	held, _ := s.feed.held()
	var body bytes.Buffer
	err := page(view{
		words: s.words, notice: s.notice, cursor: s.cursor(rev), head: s.head(), rows: s.rows(list), more: held > len(list),
	}).Render(r.Context(), &body)
	if err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body.Bytes()) //nolint:errcheck // the viewer has gone; there is no one to tell
}

// cursor names a place in the feed for Last-Event-ID.
func (s *Server) cursor(rev uint64) string { return s.feed.id + "-" + strconv.FormatUint(rev, 10) }
