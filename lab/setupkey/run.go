package setupkey

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kafka-e2ee/lab/policy"
)

// Options is what a person says to the program setup-key.
type Options struct {
	Name        string
	VaultHost   string
	MAAEndpoint string
	Platform    policy.Platform
	Measurement string // 64 hex digits: SHA-256 of the pod's security policy
	TokenFile   string // holds an access token for the vault
	CAFile      string // who may certify the vault; empty: the system's roots
	Addr        string // HOST:PORT to connect to instead of the vault's name; empty: the name
	Folder      string // where NAME-pub.pem is written
	NewVersion  bool   // make a new version where there is a key already
	// DangerouslyAnyWorkload leaves the measurement out of the policy.
	DangerouslyAnyWorkload bool
}

// Run makes the key unless the vault has it already with the same policy, writes
// NAME-pub.pem and says what it did.
func Run(ctx context.Context, o Options, out io.Writer) error {
	rules, err := o.policy()
	if err != nil {
		return err
	}
	if o.Name == "" || o.VaultHost == "" || o.MAAEndpoint == "" || strings.Contains(o.VaultHost+o.MAAEndpoint, "/") {
		return errors.New("checking flags: want -name, -vault and -maa, the last two as host names without https://")
	}
	vault, err := o.vault()
	if err != nil {
		return err
	}
	did := "Key %s is there already, with this policy:\n"
	key, err := vault.Get(ctx, o.Name)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && o.NewVersion:
		did = "Made key %s with this policy:\n"
		if key, err = vault.Create(ctx, o.Name, rules); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if same, err := samePolicy(key.Policy, rules); err != nil || !same {
			return fmt.Errorf("key %q is there already, with another release policy (hint: choose another name, or -new-version)", o.Name)
		}
	}
	text, err := key.PEM()
	if err != nil {
		return err
	}
	file := filepath.Join(o.Folder, o.Name+"-pub.pem")
	if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // a public key is for everyone
		return fmt.Errorf("writing the public key: %w", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, key.Policy, "", "  "); err != nil {
		return errors.New("reading the vault's key: the policy is not JSON")
	}
	_, err = fmt.Fprintf(out, did+"%s\nPublic key: %s\n", key.ID, pretty.String(), file)
	return err
}

func (o Options) policy() (policy.Policy, error) {
	if o.Measurement == "" && !o.DangerouslyAnyWorkload {
		return policy.Policy{}, errors.New("-measurement is missing: without it every confidential workload, whoever runs it, could get the key (hint: deploy/azure/measure MANIFEST)")
	}
	if o.DangerouslyAnyWorkload {
		return policy.ForAnyWorkload(o.MAAEndpoint, o.Platform)
	}
	return policy.ForWorkload(o.MAAEndpoint, o.Platform, o.Measurement)
}

// samePolicy compares meaning, not spelling: the vault may write JSON anew.
func samePolicy(text []byte, want policy.Policy) (bool, error) {
	got, err := policy.Parse(text)
	if err != nil {
		return false, err
	}
	a, err := json.Marshal(got)
	if err != nil {
		return false, err
	}
	b, err := json.Marshal(want)
	return bytes.Equal(a, b), err
}

func (o Options) vault() (Vault, error) {
	const getToken = "hint: az account get-access-token --resource https://vault.azure.net --query accessToken -o tsv >FILE; for the emulated vault the command that lab -cloud-only prints"
	if o.TokenFile == "" {
		return Vault{}, errors.New("-token-file is missing: it names a file with an access token for the vault (" + getToken + ")")
	}
	token, err := os.ReadFile(o.TokenFile)
	if err != nil {
		return Vault{}, fmt.Errorf("reading the access token: %w (%s)", err, getToken)
	}
	if strings.HasPrefix(strings.TrimSpace(string(token)), "{") {
		return Vault{}, fmt.Errorf("reading the access token: the file holds JSON, want the value of access_token alone (%s)", getToken)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return Vault{}, fmt.Errorf("reading the authority's certificate: %w (hint: -ca names the file that lab -cloud-only wrote where it was started)", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
			return Vault{}, errors.New("reading the authority's certificate: no PEM certificate in it")
		}
	}
	if o.Addr != "" {
		if _, _, err := net.SplitHostPort(o.Addr); err != nil {
			return Vault{}, errors.New("-addr: want HOST:PORT, such as 127.0.0.1:8443")
		}
		// The emulated vault keeps its name on any port, without a line in /etc/hosts.
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, o.Addr)
		}
	}
	return Vault{Host: o.VaultHost, Token: strings.TrimSpace(string(token)), Client: &http.Client{Transport: transport, Timeout: time.Minute}}, nil
}
