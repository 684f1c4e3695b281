package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"slices"
	"time"

	"kafka-e2ee/settings"
)

// credentials hold the page's certificate and the users and roots that viewers are authenticated against. They are
// immutable: a reload creates new ones.
type credentials struct {
	certificate *tls.Certificate // nil: no TLS
	expires     time.Time        // of the certificate
	clientRoots *x509.CertPool   // nil: viewers need no client certificate
	users       *users           // nil: viewers need not sign in

	tls      *tls.Config   // of certificate and clientRoots; nil: no TLS
	replaced chan struct{} // closed when newer credentials are in use
}

// loader loads credentials from their sources. It loads each part separately, so that a removed user is locked out even
// if the certificate is unusable. A part with unusable files keeps its previous value, so a broken file admits nobody.
type loader struct {
	latest credentials
	parts  []*part
}

// part is a part of the credentials and the sources that it is loaded from.
type part struct {
	name string // a value of the metric's label
	settings.Reloader
}

func newLoader(certificate []settings.Source, clientRoots, users settings.Source) *loader {
	l := new(loader)
	add := func(name string, use func(texts [][]byte, changed bool) error, sources ...settings.Source) {
		sources = slices.DeleteFunc(sources, func(s settings.Source) bool { return !s.IsSet() })
		if len(sources) == 0 {
			return
		}
		l.parts = append(l.parts, &part{name, settings.Reloader{Sources: sources, Use: use}})
	}
	addOne := func(name string, use func(text []byte, changed bool) error, source settings.Source) {
		add(name, func(texts [][]byte, changed bool) error {
			if err := use(texts[0], changed); err != nil {
				return settings.Errorf(source.Variable, "%w", err)
			}
			return nil
		}, source)
	}
	add("certificate", l.useCertificate, certificate...)
	addOne("client_roots", l.useClientRoots, clientRoots)
	addOne("users", l.useUsers, users)
	return l
}

// credentials returns the latest ones.
func (l *loader) credentials() *credentials {
	c := l.latest
	c.replaced = make(chan struct{})
	if c.certificate == nil {
		return &c
	}
	c.tls = &tls.Config{
		Certificates: []tls.Certificate{*c.certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		SessionTicketsDisabled: true, // a resumed connection would not show its client certificate again
	}
	if c.clientRoots != nil {
		c.tls.ClientCAs, c.tls.ClientAuth = c.clientRoots, tls.RequireAndVerifyClientCert
	}
	return &c
}

// useUsers keeps the users of an unchanged text: viewers who are signed in stay so.
func (l *loader) useUsers(text []byte, changed bool) error {
	if !changed {
		return nil
	}
	users, err := parseUsers(text)
	if err != nil {
		return err
	}
	l.latest.users = users
	return nil
}

// Run logs who may see the page and takes over changes of the files, until ctx ends. Call it once.
func (g *Guard) Run(ctx context.Context) { g.run(ctx, time.Tick(settings.ReloadEvery)) }

func (g *Guard) run(ctx context.Context, tick <-chan time.Time) {
	if g.Public() {
		g.log.WarnContext(ctx, "whoever reaches the page reads the messages", append(g.summary(),
			slog.String("hint", "set WEB_USERS or WEB_CLIENT_CA, or one of these with _FILE; both need TLS: WEB_TLS_CERT_FILE and WEB_TLS_KEY_FILE, or WEB_ATTESTED_ADDR with WEB_ADDR=none"))...)
	} else {
		g.log.InfoContext(ctx, "the page is protected", g.summary()...)
	}
	settings.Follow(ctx, tick, func() { g.reload(ctx) })
}

// reload takes over the parts whose files changed. It logs once that a part cannot be used; the metric says so for as
// long as that lasts.
func (g *Guard) reload(ctx context.Context) {
	changed := false
	for _, part := range g.loader.parts {
		result := part.Reload()
		changed = changed || result.Changed
		if result.Err == nil {
			g.unusable.WithLabelValues(part.name).Set(0)
			continue
		}
		g.unusable.WithLabelValues(part.name).Set(1)
		if !result.Repeat {
			g.log.ErrorContext(ctx, "part of what protects the page cannot be used: what was read before stays in use",
				slog.String("part", part.name), slog.String("error", result.Err.Error()))
		}
	}
	if changed {
		close(g.credentials.Swap(g.loader.credentials()).replaced)
		g.log.InfoContext(ctx, "the page's files changed and are in use", g.summary()...)
	}
}

// summary returns what protects the page now, for the log.
func (g *Guard) summary() []any {
	c := g.credentials.Load()
	attrs := []any{slog.Bool("tls", c.tls != nil || g.settings.attestedOnly()), slog.Bool("client_certificates", c.clientRoots != nil), slog.Bool("sign_in", c.users != nil)}
	if c.tls != nil {
		attrs = append(attrs, slog.Time("certificate_expires", c.expires))
	}
	return attrs
}
