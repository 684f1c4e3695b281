package lab

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/setupkey"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/skrtest"
)

const (
	akvEndpoint = "vault.lab.example"
	keyName     = "kafka-encryption-demo"
)

// workload is the security policy of the confidential pod. Its hash is what the
// key's release policy asks for.
const workload = `package agent_policy
default CreateContainerRequest := false
default ExecProcessRequest := false
default ReadStreamRequest := false
# the containers, their commands, environments and layers would follow here`

// nowhere is an address at which nothing listens: an ordinary pod has no sidecar.
const nowhere = "http://127.0.0.1:9"

// stage is what the pods need of the world, with one scenario in it.
type stage struct {
	scenario scenario
	cloud    *cloud.Cloud
	maa      string // the attestation service: the pods themselves reach it, under a name that leads here
	roots    string // file with the authority that vouches for it
	expected string // file with a copy of the release policy
	sidecar  *skrtest.Server
	keys     setupkey.Vault
	policy   policy.Policy

	mu  sync.Mutex
	now lock
}

// lock is a key that the producer encrypts for, and the names under which the
// consumer asks for this and all earlier ones.
type lock struct {
	publicPEM string
	names     string
	changed   chan struct{} // closed when there is a newer one
}

// newStage starts the emulated cloud, makes the key as an operator would, and
// gives the pod its sidecar.
func newStage(ctx context.Context, plan scenario, files string, log *slog.Logger) (*stage, error) {
	addr, port, err := unusedAddr(ctx)
	if err != nil {
		return nil, err
	}
	s := &stage{
		scenario: plan, maa: net.JoinHostPort("localhost", port),
		roots: filepath.Join(files, "cloud-ca.pem"), expected: filepath.Join(files, "release-policy.json"),
	}
	c, err := cloud.New(cloud.Config{
		AttestationHost: s.maa, VaultHost: akvEndpoint, Listen: addr, ListenMetadata: "127.0.0.1:0", Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("making the emulated cloud: %w", err)
	}
	if err := c.Start(ctx); err != nil {
		return nil, fmt.Errorf("starting the emulated cloud: %w", err)
	}
	s.cloud = c
	if err := s.prepare(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("preparing the scenario: %w", err)
	}
	return s, nil
}

func (s *stage) prepare(ctx context.Context) error {
	token, err := s.cloud.Identities.Token(cloud.OperatorID, s.cloud.Vault.Resource())
	if err != nil {
		return err
	}
	s.keys = setupkey.Vault{Host: akvEndpoint, Token: token, Client: s.cloud.Client()}
	guest := snp.Guest{SecurityPolicy: []byte(workload), Measurement: cloud.Measurement()}
	measured := guest.HostData()
	if s.policy, err = policy.ForWorkload(s.maa, policy.KataCC, hex.EncodeToString(measured[:])); err != nil {
		return err
	}
	if err := s.writeFiles(); err != nil {
		return err
	}
	key, err := s.keys.Create(ctx, keyName, s.policy)
	if err != nil {
		return err
	}
	if err := s.use(key, keyName); err != nil {
		return err
	}
	role := s.scenario.role
	if role == "" {
		role = vault.ReleaseUser
	}
	s.cloud.Vault.Grant(cloud.PodID, role)
	if s.scenario.busy {
		s.cloud.Vault.ThrottleUntil(time.Now().AddDate(1, 0, 0))
	}
	if s.scenario.guest != nil {
		s.scenario.guest(&guest)
	}
	s.sidecar = skrtest.NewServer(skrtest.On(s.cloud.Pod(guest, cloud.PodID)), "127.0.0.1:0")
	// It gets its port even if it is to go away again.
	if err := s.sidecar.Start(); err != nil { //nolint:contextcheck // it runs until it is stopped
		return err
	}
	if s.scenario.absent || s.scenario.without {
		return s.sidecar.Stop()
	}
	return nil
}

// writeFiles gives the pods what they compare their own attestation with.
func (s *stage) writeFiles() error {
	expected, err := json.Marshal(s.policy)
	if err != nil {
		return fmt.Errorf("encoding the release policy: %w", err)
	}
	return errors.Join(os.WriteFile(s.expected, expected, 0o600), os.WriteFile(s.roots, s.cloud.Authority.PEM(), 0o600))
}

// unusedAddr is a loopback address at which nothing listens now. The attestation
// service's port is part of its name, so it must be known before.
func unusedAddr(ctx context.Context) (addr, port string, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", fmt.Errorf("finding a free port: %w", err)
	}
	addr = l.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	return addr, port, errors.Join(err, l.Close())
}

// rotate makes a new version of the key. From then on names are those of
// versions: the name alone means the newest.
func (s *stage) rotate(ctx context.Context) error {
	before := s.current().names
	if before == keyName {
		first, err := s.keys.Get(ctx, keyName)
		if err != nil {
			return err
		}
		before = keyName + "/" + first.Version
	}
	key, err := s.keys.Create(ctx, keyName, s.policy)
	if err != nil {
		return err
	}
	return s.use(key, strings.Join([]string{keyName + "/" + key.Version, before}, ","))
}

func (s *stage) use(key setupkey.Key, names string) error {
	text, err := key.PEM()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.changed != nil {
		close(s.now.changed)
	}
	s.now = lock{publicPEM: string(text), names: names, changed: make(chan struct{})}
	return nil
}

func (s *stage) current() lock {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// restarting runs a program, and runs it anew each time that the key changes.
func (s *stage) restarting(ctx context.Context, program func(context.Context, lock) error) error {
	for {
		key := s.current()
		running, stop := context.WithCancel(ctx)
		go func() {
			select {
			case <-key.changed:
				stop()
			case <-running.Done():
			}
		}()
		err := program(running, key)
		stop()
		if err != nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-key.changed:
		default:
			return nil // it ended by itself
		}
	}
}

// url is the sidecar's.
func (s *stage) url() string {
	if s.scenario.without {
		return nowhere
	}
	return s.sidecar.URL()
}

func (s *stage) close() {
	_ = s.sidecar.Stop() //nolint:errcheck // the process ends next
	s.cloud.Close()
}
