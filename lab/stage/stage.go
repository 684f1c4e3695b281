// Package stage is the emulated cloud with one pod in it: a key that the vault
// releases to that pod, the pod's sidecar, and the files that the programs are
// given. Both demos stand on it, the one in one process and the one in containers.
package stage

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/setupkey"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/skrtest"
)

// KeyName is the name of the key in the vault.
const KeyName = "kafka-encryption-demo"

// The files in the folder [Config.Files]. None of them is secret.
const (
	PublicKeyFile = "key.pem"             // for the producer: the newest version's public half
	AuthorityFile = "cloud-ca.pem"        // for the consumer: who vouches for the attestation service
	PolicyFile    = "release-policy.json" // for the consumer: a copy of the key's release policy
)

// workload is the security policy of the confidential pod. Its hash is what the
// key's release policy asks for.
const workload = `package agent_policy
default CreateContainerRequest := false
default ExecProcessRequest := false
default ReadStreamRequest := false
# the containers, their commands, environments and layers would follow here`

// Config says where everything is and what is wrong with the pod.
type Config struct {
	AttestationHost string // host name, with the port where it is not 443
	VaultHost       string // host name
	Listen          string // HTTPS address of both
	Sidecar         string // address of the sidecar; port 0 chooses one
	Files           string // folder for the files
	Private         string // folder in which the first version of the key and the authority last; empty: they end with the process
	// Guest changes the pod that runs; the key is for the unchanged one. Nil changes nothing.
	Guest  func(*snp.Guest)
	Role   vault.Role // of the pod's identity; empty means the one that it needs
	Logger *slog.Logger
}

// Stage is what runs.
type Stage struct {
	Cloud   *cloud.Cloud
	Sidecar *skrtest.Server // it listens

	files  string
	keys   setupkey.Vault
	policy policy.Policy
}

// New starts it all.
func New(ctx context.Context, cfg Config) (*Stage, error) {
	authority, err := keptAuthority(cfg.Private)
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
	s := &Stage{Cloud: c, files: cfg.Files}
	if err := s.prepare(ctx, cfg); err != nil {
		c.Close()
		return nil, fmt.Errorf("preparing the emulated cloud: %w", err)
	}
	return s, nil
}

func (s *Stage) prepare(ctx context.Context, cfg Config) error {
	token, err := s.Cloud.Identities.Token(cloud.OperatorID, s.Cloud.Vault.Resource())
	if err != nil {
		return err
	}
	s.keys = setupkey.Vault{Host: cfg.VaultHost, Token: token, Client: s.Cloud.Client()}
	guest := snp.Guest{SecurityPolicy: []byte(workload), Measurement: cloud.Measurement()}
	measured := guest.HostData()
	if s.policy, err = policy.ForWorkload(cfg.AttestationHost, policy.KataCC, hex.EncodeToString(measured[:])); err != nil {
		return err
	}
	private, err := keptKey(cfg.Private)
	if err != nil {
		return err
	}
	if err := s.Cloud.Vault.Restore(KeyName, private, s.policy); err != nil {
		return err
	}
	first, err := s.keys.Get(ctx, KeyName)
	if err != nil {
		return err
	}
	if err := s.writeFiles(first); err != nil {
		return err
	}
	s.Cloud.Vault.Grant(cloud.PodID, cmp.Or(cfg.Role, vault.ReleaseUser))
	if cfg.Guest != nil {
		cfg.Guest(&guest)
	}
	s.Sidecar = skrtest.NewServer(skrtest.On(s.Cloud.Pod(guest, cloud.PodID)), cfg.Sidecar)
	return s.Sidecar.Start() //nolint:contextcheck // it runs until it is stopped
}

func (s *Stage) writeFiles(key setupkey.Key) error {
	expected, err := json.Marshal(s.policy)
	if err != nil {
		return fmt.Errorf("encoding the release policy: %w", err)
	}
	return errors.Join(s.publish(key), write(filepath.Join(s.files, PolicyFile), expected, 0o644),
		write(filepath.Join(s.files, AuthorityFile), s.Cloud.Authority.PEM(), 0o644))
}

func (s *Stage) publish(key setupkey.Key) error {
	text, err := key.PEM()
	if err != nil {
		return err
	}
	return write(filepath.Join(s.files, PublicKeyFile), text, 0o644)
}

// Rotate makes a new version of the key, as an operator would, and gives the
// producer its public half.
func (s *Stage) Rotate(ctx context.Context) error {
	key, err := s.keys.Create(ctx, KeyName, s.policy)
	if err != nil {
		return err
	}
	return s.publish(key)
}

// Close ends it all.
func (s *Stage) Close() error {
	defer s.Cloud.Close()
	return s.Sidecar.Stop()
}
