package web

import (
	"context"
	"log/slog"
	"time"
)

// readEvery is how often the files are looked at. Watching them by other means fails where a mounted file is replaced
// through links, as Kubernetes does it.
const readEvery = 2 * time.Second

// follow takes up what changes in the files, until ctx ends. What cannot be used is logged once, and what was there
// before stays in use: nobody gets in by a broken file.
func (d *door) follow(ctx context.Context, tick <-chan time.Time) {
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		next, seen, err := d.access.pass()
		switch {
		case err != nil && err.Error() != told:
			told = err.Error()
			d.log.ErrorContext(ctx, "the page's files changed and cannot be used: those before stay in use", slog.String("error", told))
		case err == nil && seen != d.seen:
			d.seen = seen
			close(d.pass.Swap(next).replaced)
			d.log.InfoContext(ctx, "the page's files changed and are in use", d.inForce()...)
			fallthrough
		case err == nil:
			told = ""
		}
	}
}

// announce says in the log who may see the page.
func (d *door) announce(ctx context.Context) {
	if d.isOpen() {
		d.log.WarnContext(ctx, "whoever reaches the page reads the messages", append(d.inForce(),
			slog.String("hint", "set WEB_TLS_CERT_FILE, WEB_TLS_KEY_FILE and WEB_USERS_FILE or WEB_CLIENT_CA_FILE"))...)
		return
	}
	d.log.InfoContext(ctx, "the page is protected", d.inForce()...)
}

func (d *door) inForce() []any {
	p := d.pass.Load()
	attrs := []any{slog.Bool("tls", p.tls != nil), slog.Bool("client_certificates", p.clients != nil), slog.Bool("sign_in", p.users != nil)}
	if p.tls != nil {
		attrs = append(attrs, slog.Time("certificate_expires", p.expires))
	}
	return attrs
}
