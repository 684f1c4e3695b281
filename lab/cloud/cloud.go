// Package cloud combines the emulated services: attestation and vault over HTTPS,
// with their own certificate authority; the host's certificates and identities
// over plain HTTP, like at 169.254.169.254.
//
//	c, err := cloud.New(cloud.Config{…})
//	err = c.Start(ctx)
//	defer c.Close()
//	platform := c.Pod(guest, cloud.PodID)
//
// The README of lab/ lists what is not emulated.
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
	"kafka-e2ee/lab/sidecar"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/policy"
)

// The identities of the cloud. The operator may do everything with keys. The pod
// gets its roles from [vault.Vault.Grant].
const (
	PodID      = "pod"
	OperatorID = "operator"
)

// Config configures the addresses of the cloud and its trust.
type Config struct {
	Authority       *ca.Authority // of the services' certificates; nil: a new one
	AttestationHost string        // host name, with the port unless it is 443: part of the tokens' issuer
	VaultHost       string        // host name, without port
	Names           []string      // further host names and addresses in the certificate
	Listen          string        // HTTPS address; port 0 chooses one
	ListenMetadata  string        // HTTP address of certificates and identities; port 0 chooses one

	OnPolicy func(key string, unmet []policy.Check) // see vault.Config

	// See attest.Config and vault.Config.
	DangerouslyAcceptAnyReport  bool
	DangerouslyAllowAnyWorkload bool

	Logger *slog.Logger
}

// Cloud holds the services and their addresses.
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

// Measurement returns the launch measurement of the virtual machine that the lab's
// pods run in. The attestation service knows it as that of a pod on AKS (kata-cc).
func Measurement() (m [48]byte) {
	copy(m[:], "kafka-e2ee lab: emulated confidential guest")
	return m
}

// ContainerGroupMeasurement returns the other launch measurement that the
// attestation service knows: that of a confidential container group.
func ContainerGroupMeasurement() (m [48]byte) {
	copy(m[:], "kafka-e2ee lab: emulated container group")
	return m
}

// New creates the services. They do not listen yet.
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
		Compliance:                 map[[48]byte]string{Measurement(): policy.ComplianceKataCC, ContainerGroupMeasurement(): policy.ComplianceACI},
		DangerouslyAcceptAnyReport: cfg.DangerouslyAcceptAnyReport, AnyCompliance: policy.ComplianceKataCC,
	})
	if err != nil {
		return nil, err
	}
	c.Vault, err = vault.New(vault.Config{
		Host: cfg.VaultHost, Certificate: vaultCert, Identities: c.Identities, Authorities: c.Client(),
		DangerouslyAllowAnyWorkload: cfg.DangerouslyAllowAnyWorkload, OnPolicy: cfg.OnPolicy, Logger: cfg.Logger.With(slog.String("service", "vault")),
	})
	if err != nil {
		return nil, err
	}
	c.Vault.Grant(OperatorID, vault.Officer)
	return c, nil
}

// Start serves until [Cloud.Close].
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
	go services.ServeTLS(secure, "", "") //nolint:errcheck // returns after Close
	go host.Serve(plain)                 //nolint:errcheck // as above
	return nil
}

func server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // broken TLS of a client is the client's error
	}
}

// Close stops all services at once.
func (c *Cloud) Close() {
	for _, s := range c.servers {
		_ = s.Close() //nolint:errcheck // nothing is left to lose
	}
}

// ServeHTTP routes by host name. For further names in the certificate it routes by
// path.
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

// Addr returns the HTTPS address. It is known after Start.
func (c *Cloud) Addr() string { return c.addr }

// MetadataURL returns the URL of certificates and identities, without a slash at
// the end. It is known after Start.
func (c *Cloud) MetadataURL() string { return "http://" + c.metadata }

// Client returns a client that reaches the services by host name on any port, and
// nothing else. It trusts only their authority.
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
		Timeout: 2 * time.Minute, // a busy computer needs time to make a key
		Transport: &http.Transport{
			DialContext: dial, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Authority.Pool()},
		},
	}
}

// Pod returns the platform of a pod with the given guest and identity.
func (c *Cloud) Pod(guest snp.Guest, clientID string) *sidecar.Platform {
	return &sidecar.Platform{
		Hardware: c.Chip, Guest: guest, ClientID: clientID, Metadata: c.MetadataURL(), Client: c.Client(), Roots: c.Authority.Pool(),
	}
}
