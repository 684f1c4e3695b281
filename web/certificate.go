package web

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// pass is one reading of the files: what a connection and a request need to get in.
type pass struct {
	tls      *tls.Config    // nil: no TLS
	expires  time.Time      // of the page's certificate
	clients  *x509.CertPool // nil: no client certificate is asked for
	users    *users         // nil: nobody needs to sign in
	replaced chan struct{}  // closed when a later reading has taken its place
}

func newPass(a Access, m material, now time.Time) (*pass, error) {
	p := &pass{replaced: make(chan struct{})}
	var problems []error
	if a.TLSCertFile != "" {
		problems = append(problems, p.useCertificate(m.cert, m.key, now))
	}
	if a.ClientCAFile != "" {
		problems = append(problems, p.useClients(m.clients, now))
	}
	if a.UsersFile != "" {
		var err error
		p.users, err = parseUsers(m.users)
		problems = append(problems, inVariable("WEB_USERS_FILE", err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return p, nil
}

func inVariable(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (p *pass) useCertificate(cert, key []byte, now time.Time) error {
	certificates, err := parseCertificates(cert)
	if err != nil {
		return inVariable("WEB_TLS_CERT_FILE", err)
	}
	if err := inTime(certificates[0], now); err != nil {
		return inVariable("WEB_TLS_CERT_FILE", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("WEB_TLS_KEY_FILE: %s (hint: want the private key, PEM and not encrypted, of the first certificate in WEB_TLS_CERT_FILE)", strings.TrimPrefix(err.Error(), "tls: "))
	}
	p.expires = certificates[0].NotAfter
	p.tls = &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		// A resumed connection would not show its client certificate again.
		SessionTicketsDisabled: true,
	}
	return nil
}

func (p *pass) useClients(roots []byte, now time.Time) error {
	certificates, err := parseCertificates(roots)
	if err != nil {
		return inVariable("WEB_CLIENT_CA_FILE", err)
	}
	p.clients = x509.NewCertPool()
	valid := 0
	for _, certificate := range certificates {
		if err = inTime(certificate, now); err == nil {
			valid++
		}
		p.clients.AddCert(certificate)
	}
	if valid == 0 {
		return inVariable("WEB_CLIENT_CA_FILE", err)
	}
	if p.tls != nil {
		p.tls.ClientCAs, p.tls.ClientAuth = p.clients, tls.RequireAndVerifyClientCert
	}
	return nil
}

// admits says whether the client's certificate counts now: its connection may be older than this reading of the roots.
func (p *pass) admits(r *http.Request) bool {
	if p.clients == nil {
		return true
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, certificate := range r.TLS.PeerCertificates[1:] {
		between.AddCert(certificate)
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: p.clients, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// parseCertificates reads PEM blocks CERTIFICATE; other blocks, such as a key in the same file, are passed over.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read", len(certificates)+1)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("holds no certificate (hint: want PEM, blocks CERTIFICATE)")
	}
	return certificates, nil
}

func inTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate expired on %s (hint: renew it)", utc(c.NotAfter))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s (hint: check the clock)", utc(c.NotBefore))
	}
	return nil
}
