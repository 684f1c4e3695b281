package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"kafka-e2ee/lab/env"
)

// The sandbox is what a person's own programs need to join the demo: files in its folder.
const (
	sandboxSender   = "sandbox" // a signing key of their own, so that nobody takes their records for the producer's
	sandboxKeyFile  = "sandbox-signing-key.pem"
	sandboxListFile = "trusted-senders.pem"
	sandboxEnvFile  = "sandbox.env" // the settings of the programs in examples/, for a shell
)

// newSandbox writes the sandbox, and returns whom the pods trust.
func (d *demo) newSandbox() (trusted string, err error) {
	producer, err := env.NewSender(d.dir, env.SigningKeyFile, env.SenderName)
	if err != nil {
		return "", err
	}
	sandbox, err := env.NewSender(d.dir, sandboxKeyFile, sandboxSender)
	if err != nil {
		return "", err
	}
	list, trusted := filepath.Join(d.dir, sandboxListFile), producer.Trusted+sandbox.Trusted
	settings := fmt.Sprintf("export BROKERS='%s' TOPIC='%s' PUBLIC_KEY='%s' SIGNING_KEY='%s' SENDERS_FILE='%s'\n",
		d.kafka.Brokers[0], d.topic, filepath.Join(d.dir, env.PublicKeyFile), sandbox.SigningKeyFile, list)
	for file, content := range map[string]string{list: trusted, filepath.Join(d.dir, sandboxEnvFile): settings} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return "", fmt.Errorf("writing the sandbox: %w", err)
		}
	}
	return trusted, nil
}

// sandboxCommand gives a shell the sandbox's settings.
func sandboxCommand(dir string) string { return ". " + filepath.Join(dir, sandboxEnvFile) }
