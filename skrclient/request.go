package skrclient

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Request names a key and the two services that decide about its release. All three come from configuration, never from a
// message: the sidecar sends a bearer token to these hosts.
type Request struct {
	KeyName     string // NAME or NAME/VERSION in the vault
	MAAEndpoint string // the attestation service: a host name without scheme, optionally with a port
	AKVEndpoint string // the vault: the same
}

// Validate reports every problem of the request, without repeating its values.
func (r Request) Validate() error {
	return errors.Join(
		annotate("checking key name", CheckKeyName(r.KeyName)),
		annotate("checking attestation endpoint", CheckEndpoint(r.MAAEndpoint)),
		annotate("checking vault endpoint", CheckEndpoint(r.AKVEndpoint)),
	)
}

func annotate(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// CheckKeyName accepts the names that Azure Key Vault allows, because the sidecar puts the name into a URL unescaped.
func CheckKeyName(name string) error {
	key, version, versioned := strings.Cut(name, "/")
	if !isLabel(key, 127) || versioned && !isLabel(version, 127) {
		return errors.New("want NAME or NAME/VERSION, each 1 to 127 letters, digits and hyphens")
	}
	return nil
}

// CheckEndpoint accepts a host name without scheme, path or slash, optionally with a port.
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return errors.New("the host name is empty")
	}
	for _, scheme := range []string{"https://", "http://"} {
		if strings.HasPrefix(endpoint, scheme) {
			return fmt.Errorf("want a host name alone; drop the leading %s", scheme)
		}
	}
	host := endpoint
	if name, port, err := net.SplitHostPort(endpoint); err == nil {
		if !isPort(port) {
			return errors.New("the port is not a number from 1 to 65535")
		}
		host = name
	}
	if len(host) > 253 {
		return fmt.Errorf("got %d characters, limit 253", len(host))
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label, 63) {
			return errors.New("want a host name such as name.vault.azure.net, without scheme, path or slash")
		}
	}
	return nil
}

func isPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number != 0
}

func isLabel(s string, limit int) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= limit && s[0] != '-'
}
