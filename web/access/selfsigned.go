package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"kafka-e2ee/settings"
)

// certificateLife is how long a certificate is valid. Browsers accept at most 398 days.
const certificateLife = 365 * 24 * time.Hour

// MakeCertificate makes a key and a self-signed certificate for the names in WEB_HOSTS. It writes them to tls.key and
// tls.crt in the folder, and overwrites existing files. It logs the SHA-256 of the certificate, which browsers show, too.
func MakeCertificate(ctx context.Context, folder string, lookup func(string) (string, bool), log *slog.Logger) error {
	var cfg struct {
		Hosts []string `envconfig:"WEB_HOSTS" blanks:"cut"`
	}
	parsing := settings.Load(&cfg, lookup)
	if err := errors.Join(parsing, Settings{Hosts: cfg.Hosts}.checkHosts()); err != nil {
		return fmt.Errorf("making the page's certificate: %w", err)
	}
	if len(cfg.Hosts) == 0 {
		return errors.New("making the page's certificate: WEB_HOSTS: is missing (hint: the host names under which the page is opened)")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the page's key: %w", err)
	}
	certificate, err := selfSigned(key, cfg.Hosts, time.Now())
	if err != nil {
		return fmt.Errorf("making the page's certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("making the page's key: %w", err)
	}
	// The key first: once the certificate exists, both do.
	if err := writePEM(filepath.Join(folder, "tls.key"), "PRIVATE KEY", private); err != nil {
		return fmt.Errorf("writing the page's key: %w", err)
	}
	if err := writePEM(filepath.Join(folder, "tls.crt"), "CERTIFICATE", certificate); err != nil {
		return fmt.Errorf("writing the page's certificate: %w", err)
	}
	sum := sha256.Sum256(certificate)
	log.LogAttrs(ctx, slog.LevelInfo, "certificate made", slog.String("sha256", hex.EncodeToString(sum[:])))
	return nil
}

func selfSigned(key *ecdsa.PrivateKey, hosts []string, now time.Time) ([]byte, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kafka-e2ee page"},
		NotBefore:   now.Add(-time.Hour), // some viewers' clocks are slow
		NotAfter:    now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if address, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, address.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
