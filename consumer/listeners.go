package consumer

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"net"
	"time"

	"kafka-e2ee/consumer/pagetoken"
	"kafka-e2ee/envelope"
	"kafka-e2ee/health"
	"kafka-e2ee/settings"
	"kafka-e2ee/web"
	"kafka-e2ee/web/access"
)

// listeners are those of the page; nil at an address that is not set.
type listeners struct{ plain, attested net.Listener }

func listen(ctx context.Context, s access.Settings) (l listeners, err error) {
	if addr := s.PlainAddr(); addr != "" {
		if l.plain, err = settings.Listen(ctx, "WEB_ADDR", addr); err != nil {
			return l, err
		}
	}
	if s.AttestedAddr != "" {
		if l.attested, err = settings.Listen(ctx, "WEB_ATTESTED_ADDR", s.AttestedAddr); err != nil {
			l.close()
		}
	}
	return l, err
}

func (l listeners) close() {
	for _, listener := range []net.Listener{l.plain, l.attested} {
		if listener != nil {
			_ = listener.Close() //nolint:errcheck // its server has closed it
		}
	}
}

// servers returns a server for each listener.
func (l listeners) servers(site *web.Server) (all []server) {
	if l.plain != nil {
		all = append(all, server{site.HTTPServer(), site.Listener(l.plain)})
	}
	if l.attested != nil {
		all = append(all, server{site.HTTPServer(), site.AttestedListener(l.attested)})
	}
	return all
}

// attrs are the addresses, for the log.
func (l listeners) attrs() (attrs []slog.Attr) {
	if l.plain != nil {
		attrs = append(attrs, slog.String("page", l.plain.Addr().String()))
	}
	if l.attested != nil {
		attrs = append(attrs, slog.String("attested_page", l.attested.Addr().String()))
	}
	return attrs
}

// attestedPage is the page at WEB_ATTESTED_ADDR. The zero value is none.
type attestedPage struct {
	key    *access.AttestedKey
	tokens *pagetoken.Server
}

func newAttestedPage(cfg Config, metrics *metrics, onChange func(), log *slog.Logger) (p attestedPage, err error) {
	if cfg.Access.AttestedAddr == "" {
		return p, nil
	}
	if p.key, err = access.NewAttestedKey(cfg.Access.Hosts); err != nil {
		return p, err
	}
	config := pagetoken.Config{Key: p.key, OnChange: onChange, Registerer: metrics.registry, Log: log}
	if attester := cfg.inputs.keys.Attester(); attester != nil {
		config.Attest = func(ctx context.Context, runtimeData []byte) (token string, expires time.Time, err error) {
			attestation, err := attester.AttestRuntimeData(ctx, runtimeData)
			if err != nil {
				return "", time.Time{}, err
			}
			return attestation.Token(), attestation.Expires, nil
		}
	}
	p.tokens, err = pagetoken.New(config)
	return p, err
}

// option is what the web server needs to know, nil without an attested address.
func (p attestedPage) option(cfg *Config) *web.Attested {
	if p.tokens == nil {
		return nil
	}
	return &web.Attested{Key: p.key, Document: p.tokens, Ready: p.tokens.Ready, Addr: cfg.Access.AttestedAddr, Command: cfg.WebVerify}
}

// setKeys decrypts with the keys, and then has their ids attested.
func (p attestedPage) setKeys(d *decryptor) func([]*rsa.PrivateKey) error {
	return func(held []*rsa.PrivateKey) error {
		if err := d.SetKeys(held); err != nil || p.tokens == nil {
			return err
		}
		ids := make([]string, len(held))
		for i, key := range held {
			ids[i] = envelope.KeyID(&key.PublicKey)
		}
		p.tokens.SetKeys(ids)
		return nil
	}
}

// run keeps the attestation until ctx ends.
func (p attestedPage) run(ctx context.Context) {
	if p.tokens != nil {
		p.tokens.Run(ctx)
	}
}

// missing is what the attested address waits for, for /readyz.
func (p attestedPage) missing() []health.Missing {
	if p.tokens == nil {
		return nil
	}
	return missingAttestation(p.tokens.Status())
}
