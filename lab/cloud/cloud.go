// Package cloud puts the emulated services together: attestation and vault over
// HTTPS, with a certificate authority of their own; the host's certificates and
// identities over plain HTTP, as at 169.254.169.254.
//
//	c, err := cloud.New(cloud.Config{…})
//	err = c.Start(ctx)
//	defer c.Close()
//	platform := c.Pod(guest, cloud.PodID)
//
// See the README of lab/ for what the services do not do.
package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kafka-e2ee/lab/attest"
	"kafka-e2ee/lab/ca"
	"kafka-e2ee/lab/identity"
	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/sidecar"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
)

// The identities that the cloud knows. The operator may do everything with keys;
// what the pod may do, [vault.Vault.Grant] says.
const (
	PodID      = "pod"
	OperatorID = "operator"
)

// Config says where the cloud is and how careless.
type Config struct {
	Authority       *ca.Authority // who certifies the services; nil: one of their own
	AttestationHost string        // host name, with the port where it is not 443: it is in the tokens' issuer
	VaultHost       string        // host name, without port
	Names           []string      // further host names and addresses in the certificate
	Listen          string        // HTTPS address; port 0 chooses one
	ListenMetadata  string        // HTTP address of certificates and identities; the same

	// The two dangers; see attest.Config and vault.Config.
	DangerouslyAcceptAnyReport  bool
	DangerouslyAllowAnyWorkload bool

	Logger *slog.Logger
}

// Cloud is the services and their addresses.
type Cloud struct {
	Authority   *ca.Authority
	Chip        *snp.Chip
	Identities  *identity.Service
	Attestation *attest.Service
	Vault       *vault.Vault

	cfg            Config
	tls            tls.Config
	servers        []*http.Server
	addr, metadata string
}

// Measurement is the launch measurement that the attestation service knows: that
// of the one virtual machine in which all emulated pods run.
func Measurement() (m [48]byte) {
	copy(m[:], "kafka-e2ee lab: emulated confidential guest")
	return m
}

// New makes the services; they do not listen yet.
func New(cfg Config) (*Cloud, error) {
	c := &Cloud{cfg: cfg, Authority: cfg.Authority}
	var err error
	if c.Authority == nil {
		if c.Authority, err = ca.New(); err != nil {
			return nil, err
		}
	}
	if c.Identities, err = identity.New("https://login."+cfg.VaultHost, PodID, OperatorID); err != nil {
		return nil, err
	}
	var server, vaultCert tls.Certificate
	var making errgroup.Group // RSA keys take time
	making.Go(func() (err error) { c.Chip, err = snp.NewChip(); return err })
	making.Go(func() (err error) {
		vaultCert, err = c.Authority.Issue(append([]string{cfg.VaultHost}, cfg.Names...)...)
		return err
	})
	making.Go(func() (err error) { server, err = c.Authority.Issue(hostname(cfg.AttestationHost)); return err })
	if err := making.Wait(); err != nil {
		return nil, err
	}
	c.tls = tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{vaultCert, server}}
	c.Attestation, err = attest.New(attest.Config{
		Host: cfg.AttestationHost, Certificate: server, Root: c.Chip.Root(), Logger: cfg.Logger.With(slog.String("service", "attestation")),
		Compliance:                 map[[48]byte]string{Measurement(): policy.ComplianceKataCC},
		DangerouslyAcceptAnyReport: cfg.DangerouslyAcceptAnyReport, AnyCompliance: policy.ComplianceKataCC,
	})
	if err != nil {
		return nil, err
	}
	c.Vault, err = vault.New(vault.Config{
		Host: cfg.VaultHost, Certificate: vaultCert, Identities: c.Identities, Authorities: c.Client(),
		DangerouslyAllowAnyWorkload: cfg.DangerouslyAllowAnyWorkload, Logger: cfg.Logger.With(slog.String("service", "vault")),
	})
	if err != nil {
		return nil, err
	}
	c.Vault.Grant(OperatorID, vault.Officer)
	return c, nil
}

// Start listens.
func (c *Cloud) Start(ctx context.Context) error {
	secure, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening for HTTPS on %s: %w", c.cfg.Listen, err)
	}
	plain, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.ListenMetadata)
	if err != nil {
		return errors.Join(fmt.Errorf("listening for certificates and identities on %s: %w", c.cfg.ListenMetadata, err), secure.Close())
	}
	c.addr, c.metadata = secure.Addr().String(), plain.Addr().String()
	metadata := http.NewServeMux()
	metadata.Handle(snp.CertificationPath, c.Chip)
	metadata.Handle(identity.TokenPath, c.Identities)
	services, host := server(c), server(metadata)
	services.TLSConfig = c.tls.Clone()
	c.servers = []*http.Server{services, host}
	go services.ServeTLS(secure, "", "") //nolint:errcheck // returns when it is closed
	go host.Serve(plain)                 //nolint:errcheck // the same
	return nil
}

func server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // a client's broken TLS is the client's to tell
	}
}

// Close ends all services at once.
func (c *Cloud) Close() {
	for _, s := range c.servers {
		_ = s.Close() //nolint:errcheck // nothing is left to lose
	}
}

// ServeHTTP leads to the service of the host name and, for every other name in
// the certificate, to that of the path.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostname(r.Host)
	switch {
	case strings.EqualFold(host, c.cfg.VaultHost), !strings.EqualFold(host, hostname(c.cfg.AttestationHost)) && strings.HasPrefix(r.URL.Path, "/keys"):
		c.Vault.ServeHTTP(w, r)
	default:
		c.Attestation.ServeHTTP(w, r)
	}
}

func hostname(host string) string {
	name, _, _ := strings.Cut(host, ":")
	return name
}

// Addr is where HTTPS is served, MetadataURL where certificates and identities
// are; both are known after Start.
func (c *Cloud) Addr() string { return c.addr }

// MetadataURL has no slash at its end.
func (c *Cloud) MetadataURL() string { return "http://" + c.metadata }

// Client reaches the services under their host names, whatever the ports, trusts
// their authority alone, and reaches nothing else.
func (c *Cloud) Client() *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		switch {
		case host == hostname(c.cfg.AttestationHost) || host == c.cfg.VaultHost:
			addr = c.addr
		case addr != c.metadata && addr != c.addr:
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	return &http.Client{
		Timeout: 2 * time.Minute, // making a key takes a busy computer its time
		Transport: &http.Transport{
			DialContext: dial, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Authority.Pool()},
		},
	}
}

// Pod is the way to keys of a pod that is such a guest and has that identity.
func (c *Cloud) Pod(guest snp.Guest, clientID string) *sidecar.Platform {
	return &sidecar.Platform{
		Hardware: c.Chip, Guest: guest, ClientID: clientID, Metadata: c.MetadataURL(), Client: c.Client(), Roots: c.Authority.Pool(),
	}
}
