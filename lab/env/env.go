// Package env is the environment of one emulated confidential pod: the cloud, a
// key that its vault releases to that pod, the pod's sidecar, and the files that
// the programs need. Both demos use it, in one process and in containers.
package env

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/skrclient/skrtest"
)

// KeyName is the name of the key in the vault.
const KeyName = "kafka-encryption-demo"

// The files in the folder [Config.PublicDir]. None of them is secret.
const (
	PublicKeyFile = "key.pem"             // for the producer: the newest version's public key
	AuthorityFile = "cloud-ca.pem"        // for the consumer: the certificate authority of the attestation service
	PolicyFile    = "release-policy.json" // for the consumer: a copy of the key's release policy
)

// securityPolicy is the security policy of the confidential pod. The key's
// release policy requires its hash.
const securityPolicy = `package agent_policy
default CreateContainerRequest := false
default ExecProcessRequest := false
default ReadStreamRequest := false
# the containers, their commands, environments and layers would follow here`

// Config holds the addresses, the folders, and the faults of the pod.
type Config struct {
	AttestationHost string // host name, with the port unless it is 443
	VaultHost       string // host name
	Listen          string // HTTPS address of both
	SidecarAddr     string // port 0 chooses a free port
	PublicDir       string // folder for the files
	// PrivateDir is the folder that keeps the key's first version and the
	// certificate authority across restarts. Empty: they end with the process.
	PrivateDir string
	// ChangeGuest changes the pod that runs; the key is for the unchanged pod. Nil
	// changes nothing.
	ChangeGuest func(*snp.Guest)
	Role        vault.Role // of the pod's identity; empty means the role that it needs
	Rotations   int        // how many further versions of the key are made at once, so that KeyIDs knows them
	Logger      *slog.Logger
}

// Environment is a running environment.
type Environment struct {
	Cloud   *cloud.Cloud
	Sidecar *skrtest.Server // it listens

	publicDir string
	policy    policy.Policy
	next      []*rsa.PrivateKey // versions of the key that Rotate adds
	keyIDs    []string
}

// New starts the cloud and the sidecar, and writes the files.
func New(ctx context.Context, cfg Config) (*Environment, error) {
	authority, err := persistedAuthority(cfg.PrivateDir)
	if err != nil {
		return nil, err
	}
	c, err := cloud.New(cloud.Config{
		Authority: authority, AttestationHost: cfg.AttestationHost, VaultHost: cfg.VaultHost, Listen: cfg.Listen, ListenMetadata: "127.0.0.1:0", Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("making the emulated cloud: %w", err)
	}
	if err := c.Start(ctx); err != nil {
		return nil, fmt.Errorf("starting the emulated cloud: %w", err)
	}
	e := &Environment{Cloud: c, publicDir: cfg.PublicDir}
	if err := e.prepare(cfg); err != nil { //nolint:contextcheck // the sidecar runs until Close
		c.Close()
		return nil, fmt.Errorf("preparing the emulated cloud: %w", err)
	}
	return e, nil
}

func (e *Environment) prepare(cfg Config) error {
	guest := snp.Guest{SecurityPolicy: []byte(securityPolicy), Measurement: cloud.Measurement()}
	e.policy = policy.ForWorkload(cfg.AttestationHost, guest.HostData())
	key, err := persistedKey(cfg.PrivateDir)
	if err != nil {
		return err
	}
	e.keyIDs = []string{envelope.KeyID(&key.PublicKey)}
	for range cfg.Rotations {
		next, err := newKey()
		if err != nil {
			return err
		}
		e.next, e.keyIDs = append(e.next, next), append(e.keyIDs, envelope.KeyID(&next.PublicKey))
	}
	expected, err := json.Marshal(e.policy)
	if err != nil {
		return fmt.Errorf("encoding the release policy: %w", err)
	}
	err = errors.Join(
		e.addVersion(key),
		writeFile(filepath.Join(e.publicDir, PolicyFile), expected, 0o644),
		writeFile(filepath.Join(e.publicDir, AuthorityFile), e.Cloud.Authority.PEM(), 0o644),
	)
	if err != nil {
		return err
	}
	e.Cloud.Vault.Grant(cloud.PodID, cmp.Or(cfg.Role, vault.ReleaseUser))
	if cfg.ChangeGuest != nil {
		cfg.ChangeGuest(&guest)
	}
	e.Sidecar = skrtest.NewServer(skrtest.NewWithPlatform(e.Cloud.Pod(guest, cloud.PodID)), cfg.SidecarAddr)
	return e.Sidecar.Start()
}

// KeyIDs returns the ids of all versions of the key, also of those that Rotate adds
// later: the pod's settings name its keys before they are in use.
func (e *Environment) KeyIDs() []string { return e.keyIDs }

// Rotate adds the next version of the key and replaces the producer's public key. It
// fails after [Config.Rotations] calls.
func (e *Environment) Rotate() error {
	if len(e.next) == 0 {
		return errors.New("rotating the key: no further version was made")
	}
	key := e.next[0]
	e.next = e.next[1:]
	return e.addVersion(key)
}

func (e *Environment) addVersion(key *rsa.PrivateKey) error {
	if _, err := e.Cloud.Vault.Add(KeyName, key, e.policy); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encoding the public key: %w", err)
	}
	return writeFile(filepath.Join(e.publicDir, PublicKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

// Close stops the sidecar and the cloud.
func (e *Environment) Close() error {
	defer e.Cloud.Close()
	return e.Sidecar.Stop()
}
