package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/limit"
)

const (
	maxStreams = 16
	heartbeat  = 15 * time.Second
	// refreshEvery is how often a stream looks for changes.
	refreshEvery = 150 * time.Millisecond
)

// Handler serves the page and its commands to this computer's own viewers. The page changes only while Serve runs.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.page)
	mux.HandleFunc("GET /events", c.events)
	mux.Handle("GET /static/{name}", c.files)
	mux.HandleFunc("POST /send", c.command(func(r *http.Request) error { return c.demo.Send(r.Context(), r.PostFormValue("line")) }))
	mux.HandleFunc("POST /selection", c.command(c.changeSelection))
	mux.HandleFunc("POST /data", c.change(func(r *http.Request) error { return c.demo.SetData(r.Context(), r.PostFormValue("data")) }))
	mux.HandleFunc("POST /format", c.change(func(r *http.Request) error { return c.demo.SetFormat(r.Context(), r.PostFormValue("format")) }))
	mux.HandleFunc("POST /scenario", c.change(func(r *http.Request) error { return c.demo.SetScenario(r.Context(), r.PostFormValue("scenario")) }))
	mux.HandleFunc("POST /attack", c.command(func(r *http.Request) error {
		if c.changing.Load() != nil {
			return errBusy
		}
		c.attacks.add(r.PostFormValue("attack"))
		return nil
	}))
	return guard(c.port, c.gateway, c.refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.SecureHeaders(w.Header())
		mux.ServeHTTP(w, r)
	}))
}

var errBusy = CommandError{Code: ProblemBusy, Err: errors.New("an attack, or a change, still runs")}

// busy reports whether a change would have to wait: for an attack, or another change.
func (c *Console) busy() bool {
	attacked, _ := c.demo.Attacked()
	started, next := c.attacks.names()
	return attacked.Running || started != "" || next != "" || c.changing.Load() != nil
}

// refuse answers a request that the guard does not let in.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, reason string) {
	access.SecureHeaders(w.Header())
	http.Error(w, c.language(r).T("refused."+reason), http.StatusForbidden)
}

// command answers a POST that changes something. The page's script reads the answer; without the script, the viewer gets
// back to the page.
func (c *Console) command(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4<<20) // longer than every message that a topic takes
		if err := r.ParseForm(); err != nil {
			http.Error(w, c.language(r).T("refused.form"), http.StatusRequestEntityTooLarge)
			return
		}
		err := do(r.WithContext(context.WithoutCancel(r.Context()))) // a viewer who leaves does not stop half of a change
		switch {
		case err != nil:
			text, _ := c.language(r).problem(err)
			http.Error(w, text, http.StatusUnprocessableEntity)
		case r.Header.Get("Accept") == "application/json":
			w.WriteHeader(http.StatusNoContent)
		default:
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	}
}

// change answers a POST that replaces parts of the demo. Only one runs at a time, and none during an attack: each would wait
// for the one before.
func (c *Console) change(do func(*http.Request) error) http.HandlerFunc {
	command := c.command(func(r *http.Request) error {
		scenario := r.PostFormValue("scenario")
		if c.busy() || !c.changing.CompareAndSwap(nil, &scenario) {
			return errBusy
		}
		defer c.changing.Store(nil)
		return do(r)
	})
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) //nolint:errcheck // an attack of the terminal may have begun meanwhile, and may take longer
		command(w, r)
	}
}

// changeSelection selects, freezes or lets go of the record in the columns.
func (c *Console) changeSelection(r *http.Request) error {
	switch do := r.PostFormValue("do"); do {
	case "freeze":
		c.selection.freeze()
	case "newest":
		c.selection.resume()
	default:
		at, err := parsePosition(do)
		if err != nil {
			return err
		}
		c.selection.selectRecord(at)
	}
	return nil
}

// String returns PARTITION/OFFSET, as parsePosition reads it.
func (at Position) String() string {
	return strconv.Itoa(int(at.Partition)) + "/" + strconv.FormatInt(at.Offset, 10)
}

// parsePosition reads PARTITION/OFFSET.
func parsePosition(text string) (Position, error) {
	partition, offset, _ := strings.Cut(text, "/")
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil {
		return Position{}, errors.New("want freeze, newest or PARTITION/OFFSET")
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		return Position{}, errors.New("want freeze, newest or PARTITION/OFFSET")
	}
	return Position{int32(p), o}, nil
}

func (c *Console) page(w http.ResponseWriter, r *http.Request) {
	l := localizer{c.languages.OfPage(w, r)}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page(c.view(l)).Render(r.Context(), limit.NewWriter(w)) //nolint:errcheck // the viewer has gone
}

// events answers GET /events with server-sent events: each holds the parts of the page that changed, as HTML by id.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		http.Error(w, c.language(r).T("refused.streams"), http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	l, sent := c.language(r), make(map[string]string)
	tick, beat := time.NewTicker(refreshEvery), time.NewTicker(heartbeat)
	defer tick.Stop()
	defer beat.Stop()
	for {
		event := []byte(nil)
		if changed := c.changedParts(r.Context(), l, sent); len(changed) > 0 {
			event = eventOf(changed)
		}
		select {
		case <-beat.C:
			event = append(event, ":\n\n"...)
		default:
		}
		if len(event) > 0 && limit.Send(w, event) != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// changedParts returns the parts of the page that differ from those that were sent, and remembers them.
func (c *Console) changedParts(ctx context.Context, l localizer, sent map[string]string) map[string]string {
	changed := make(map[string]string)
	for id, part := range parts(c.view(l)) {
		var html strings.Builder
		if part.Render(ctx, &html) != nil {
			continue // ctx has ended
		}
		if sent[id] != html.String() {
			sent[id], changed[id] = html.String(), html.String()
		}
	}
	return changed
}

// parts are the parts of the page that change, by id.
func parts(v view) map[string]templ.Component {
	return map[string]templ.Component{
		"format": formatSwitch(v), "data": dataSwitch(v), "columns": columns(v), "log": logStrip(v), "planned": planned(v), "scenario": scenarios(v), "release": release(v), "attacks": attacks(v), "length": messageLength(v),
	}
}

func eventOf(changed map[string]string) []byte {
	var event bytes.Buffer
	event.WriteString("data: ")
	body := json.NewEncoder(&event) // writes one line, whatever the parts hold
	body.SetEscapeHTML(false)       // it is not part of an HTML page
	if body.Encode(changed) != nil {
		return nil
	}
	event.WriteString("\n")
	return event.Bytes()
}
