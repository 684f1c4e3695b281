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
	"slices"
	"strings"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/atomicfile"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/sidecar"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/policy"
	"kafka-e2ee/skrclient/skrtest"
)

// KeyName is the name of the key in the vault.
const KeyName = "kafka-encryption-demo"

// VaultHost is the host name of the emulated vault.
const VaultHost = "vault.lab.example"

// The files in the folder [Config.PublicDir]. None of them is secret.
const (
	PublicKeyFile = "public-key.pem"      // for the producer: the newest version's public key
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

// Config holds the addresses and the folders.
type Config struct {
	AttestationHost string // host name, with the port unless it is 443
	VaultHost       string // host name
	Listen          string // HTTPS address of both
	SidecarAddr     string // port 0 chooses a free port
	PublicDir       string // folder for the files
	// PrivateDir is the folder that keeps all versions of the key and the
	// certificate authority across restarts. Empty: they end with the process.
	PrivateDir string
	Pod        Pod // that runs first
	// OnStep and OnPolicy get the progress of each release; see [sidecar.Platform] and [vault.Config]. Optional.
	OnStep   func(sidecar.Step)
	OnPolicy func(key string, unmet []policy.Check)
	Logger   *slog.Logger
}

// Environment is a running environment. One goroutine at a time may call its methods.
type Environment struct {
	Cloud   *cloud.Cloud
	Sidecar *skrtest.Server // it listens

	cfg      Config
	pod      snp.Guest // that runs
	policy   policy.Policy
	versions []string          // of the key in the vault, the newest last
	next     []*rsa.PrivateKey // versions that Rotate adds
	keyIDs   []string          // of both
}

// Pod is what is wrong with the pod that runs. The zero value is the pod that the key is for.
type Pod struct {
	Change func(*snp.Guest) // nil changes nothing
	Role   vault.Role       // of the pod's identity; empty means the role that it needs
}

// Tampered changes the pod's security policy, as somebody does who wants to look inside.
func Tampered(pod *snp.Guest) {
	pod.SecurityPolicy = append(pod.SecurityPolicy, "\nallow_exec := true"...)
}

// New starts the cloud and the sidecar, and writes the files.
func New(ctx context.Context, cfg Config) (*Environment, error) {
	authority, err := persistedAuthority(cfg.PrivateDir)
	if err != nil {
		return nil, err
	}
	c, err := cloud.New(cloud.Config{
		Authority: authority, AttestationHost: cfg.AttestationHost, VaultHost: cfg.VaultHost, Listen: cfg.Listen, ListenMetadata: "127.0.0.1:0",
		OnPolicy: cfg.OnPolicy, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("making the emulated cloud: %w", err)
	}
	if err := c.Start(ctx); err != nil {
		return nil, fmt.Errorf("starting the emulated cloud: %w", err)
	}
	e := &Environment{Cloud: c, cfg: cfg}
	if err := e.prepare(); err != nil { //nolint:contextcheck // the sidecar runs until Close
		c.Close()
		return nil, fmt.Errorf("preparing the emulated cloud: %w", err)
	}
	return e, nil
}

// goodPod returns the pod that the key is for.
func goodPod() snp.Guest {
	return snp.Guest{SecurityPolicy: []byte(securityPolicy), Measurement: cloud.Measurement()}
}

func (e *Environment) prepare() error {
	e.policy = policy.ForWorkload(e.cfg.AttestationHost, goodPod().HostData())
	keys, err := persistedKeys(e.cfg.PrivateDir)
	if err != nil {
		return err
	}
	expected, err := json.Marshal(e.policy)
	if err != nil {
		return fmt.Errorf("encoding the release policy: %w", err)
	}
	for _, key := range keys {
		e.keyIDs = append(e.keyIDs, envelope.KeyID(&key.PublicKey))
		if err := e.addVersion(key); err != nil {
			return err
		}
	}
	return errors.Join(
		atomicfile.Write(filepath.Join(e.cfg.PublicDir, PolicyFile), expected, 0o644),
		atomicfile.Write(filepath.Join(e.cfg.PublicDir, AuthorityFile), e.Cloud.Authority.PEM(), 0o644),
		e.Restart(e.cfg.Pod),
	)
}

// Restart replaces the pod: it takes back every fault of the cloud, and starts the sidecar of the new pod at the address
// of the one before. The key stays, with all its versions.
func (e *Environment) Restart(pod Pod) error {
	addr := e.cfg.SidecarAddr
	if e.Sidecar != nil {
		addr = strings.TrimPrefix(e.Sidecar.URL(), "http://")
		if err := e.Sidecar.Stop(); err != nil {
			return err
		}
	}
	e.Cloud.Vault.ThrottleUntil(time.Time{})
	e.Cloud.Vault.Revoke(cloud.PodID)
	e.Cloud.Vault.Grant(cloud.PodID, cmp.Or(pod.Role, vault.ReleaseUser))
	e.pod = goodPod()
	if pod.Change != nil {
		pod.Change(&e.pod)
	}
	platform := e.Cloud.Pod(e.pod, cloud.PodID)
	platform.OnStep = e.cfg.OnStep
	e.Sidecar = skrtest.NewServer(skrtest.NewWithPlatform(platform), addr)
	return e.Sidecar.Start()
}

// SecurityPolicies returns the security policy that the key is for, and that of the pod that runs.
func (e *Environment) SecurityPolicies() (expected, measured string) {
	return securityPolicy, string(e.pod.SecurityPolicy)
}

// KeyIDs returns the ids of all versions of the key, also of those that Rotate adds
// later: the pod's settings name its keys before they are in use.
func (e *Environment) KeyIDs() []string { return e.keyIDs }

// maxNames bounds the keys that a pod asks for when it starts, each with a release.
const maxNames = 16

// KeyNames returns the names to ask for: the newest version's, which is the key's, and those of the versions before,
// without which a new pod could not read the records before a rotation.
func (e *Environment) KeyNames() string {
	names := []string{KeyName}
	for _, version := range slices.Backward(e.versions[:len(e.versions)-1]) {
		if len(names) < maxNames {
			names = append(names, KeyName+"/"+version)
		}
	}
	return strings.Join(names, ",")
}

// Prepare makes the next versions of the key, so that KeyIDs knows them before Rotate adds them.
func (e *Environment) Prepare(rotations int) error {
	for len(e.next) < rotations {
		key, err := newKey()
		if err != nil {
			return err
		}
		e.next, e.keyIDs = append(e.next, key), append(e.keyIDs, envelope.KeyID(&key.PublicKey))
	}
	return nil
}

// Rotate adds the next version of the key and replaces the producer's public key. It
// fails if Prepare has made no further version.
func (e *Environment) Rotate() error {
	if len(e.next) == 0 {
		return errors.New("rotating the key: no further version was made")
	}
	key := e.next[0]
	e.next = e.next[1:]
	if err := keepVersion(e.cfg.PrivateDir, len(e.versions)+1, key); err != nil {
		return err
	}
	return e.addVersion(key)
}

func (e *Environment) addVersion(key *rsa.PrivateKey) error {
	version, err := e.Cloud.Vault.Add(KeyName, key, e.policy)
	if err != nil {
		return err
	}
	e.versions = append(e.versions, version)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encoding the public key: %w", err)
	}
	return atomicfile.Write(filepath.Join(e.cfg.PublicDir, PublicKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

// Close stops the sidecar and the cloud.
func (e *Environment) Close() error {
	defer e.Cloud.Close()
	return e.Sidecar.Stop()
}
