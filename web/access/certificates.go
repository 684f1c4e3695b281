package access

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kafka-e2ee/settings"
)

// useCertificate takes over the page's certificate and its key. Each is useless without the other.
func (l *loader) useCertificate(texts [][]byte, _ bool) error {
	if len(texts) < 2 {
		return nil // one of them is not set, which checkTogether reports
	}
	certificates, err := parseCertificates(texts[0])
	if err == nil {
		err = checkDates(certificates[0])
	}
	if err != nil {
		return settings.Errorf("WEB_TLS_CERT_FILE", "%w", err)
	}
	pair, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		return settings.Errorf("WEB_TLS_KEY_FILE", "%s (hint: want the private key, PEM and not encrypted, of the first certificate in WEB_TLS_CERT_FILE)", strings.TrimPrefix(err.Error(), "tls: "))
	}
	l.latest.certificate, l.latest.expires = &pair, certificates[0].NotAfter
	return nil
}

// useClientRoots takes over the roots of the viewers' certificates. At least one must be valid now.
func (l *loader) useClientRoots(text []byte, _ bool) error {
	certificates, err := parseCertificates(text)
	if err != nil {
		return err
	}
	pool, valid := x509.NewCertPool(), false
	for _, certificate := range certificates {
		if err = checkDates(certificate); err == nil {
			valid = true
		}
		pool.AddCert(certificate)
	}
	if !valid {
		return err
	}
	l.latest.clientRoots = pool
	return nil
}

// trustClient reports whether the client's certificate is trusted now: the TLS handshake may be older than these roots.
func (c *credentials) trustClient(r *http.Request) bool {
	if c.clientRoots == nil {
		return true
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range r.TLS.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: c.clientRoots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// parseCertificates reads PEM blocks CERTIFICATE and skips other blocks, such as a key in the same file.
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

// checkDates reports a certificate that is not valid now.
func checkDates(c *x509.Certificate) error {
	const layout = "2006-01-02 15:04:05.000 UTC"
	switch now := time.Now(); {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate expired on %s (hint: renew it)", c.NotAfter.UTC().Format(layout))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s (hint: check the clock)", c.NotBefore.UTC().Format(layout))
	}
	return nil
}
