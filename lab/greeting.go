package lab

import (
	"fmt"
	"path/filepath"
	"strings"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/scenario"
)

const greeting = `
  One message a second is encrypted (format %s), stored in Kafka, and read twice:

  console            http://%s   for the presenter: all of it side by side, scenarios, attacks

  confidential pod   http://%s   %s%s
                     https://%s  the same page, for you to verify: in another terminal, in this folder

  %s

  ordinary pod       http://%s   same program, no sidecar: %s
  Kafka              %s         holds only ciphertext:
                     kcat -C -b %s -t %s

  sandbox            %s   for your own programs, in any language: a public key, a signing key that
                     the pods trust if the format is jwe or "envelope, signed", the release policy. This gives a shell
                     what examples/README.md needs. Create a topic of your own first, unless your client does so by itself:
                     %s

  metrics            %s

  Type a line and press Enter: it becomes a message, too. /help lists commands. Ctrl-C stops everything.
  Logs: %s

`

func printGreeting(d *demo, first choice) {
	a := d.Addresses()
	plan, _ := scenario.Find(first.scenario)                                                                                                                                                                                                                                            //nolint:errcheck // it was checked
	fmt.Fprintf(d.out, greeting, first.format.Label(), a.Console, a.Confidential, plan.Summary, provenance(plan, first.format), a.Attested, a.Verify, a.Ordinary, ciphertext(first.format), a.Broker, a.Broker, a.Topic, a.Folder, a.Sandbox, metricsLine(a.Metrics), d.logFile.Name()) //nolint:errcheck // a closed terminal is not our failure
}

func metricsLine(metrics []console.Metrics) string {
	var parts []string
	for _, m := range metrics {
		parts = append(parts, fmt.Sprintf("%s http://%s/metrics", m.Program, m.Address))
	}
	return strings.Join(parts, "\n                     ")
}

// provenance says what is known of the sender of a record that the pod decrypts.
func provenance(s scenario.Scenario, chosen formats.Format) string {
	if !chosen.Signed() || !s.Decrypts() {
		return ""
	}
	return ", from a proven sender"
}

// ciphertext describes a record without its key.
func ciphertext(chosen formats.Format) string {
	switch chosen.Records() {
	case envelope.FormatEnvelope:
		return "ciphertext, shown as base64"
	case envelope.FormatJWE:
		return "ciphertext, a JWE in text"
	default:
		return "base64 ciphertext"
	}
}

// verifyCommand returns the command that verifies the attested address. Its files
// are from here, because here is who created the key.
func verifyCommand(dir, addr string) string {
	file := func(name string) string { return filepath.Join(dir, name) }
	return fmt.Sprintf("go run ./cmd/verify -policy %s -ca %s -key %s https://%s", file(env.PolicyFile), file(env.AuthorityFile), file(env.PublicKeyFile), addr)
}
