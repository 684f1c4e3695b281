package skrclient

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Request names a key and the two services that decide about it. All three come from configuration, never from a
// message: the sidecar sends a bearer token to the hosts named here.
type Request struct {
	KeyName     string // NAME or NAME/VERSION in the vault
	MAAEndpoint string // the attestation service: a host name without scheme, optionally with a port
	AKVEndpoint string // the vault: the same
}

// Validate reports everything that is wrong with the request, without repeating its values.
func (r Request) Validate() error {
	return errors.Join(validateName(r.KeyName), validateHost("attestation endpoint", r.MAAEndpoint), validateHost("vault endpoint", r.AKVEndpoint))
}

// validateName keeps to the names that Azure Key Vault gives, since the sidecar puts the name into a URL as it is.
func validateName(name string) error {
	key, version, versioned := strings.Cut(name, "/")
	if !isLabel(key, 127) || versioned && !isLabel(version, 127) {
		return errors.New("checking key name: want NAME or NAME/VERSION, each 1 to 127 letters, digits and hyphens")
	}
	return nil
}

func validateHost(field, endpoint string) error {
	if endpoint == "" {
		return fmt.Errorf("checking %s: it is empty", field)
	}
	for _, scheme := range []string{"https://", "http://"} {
		if strings.HasPrefix(endpoint, scheme) {
			return fmt.Errorf("checking %s: want a host name alone; drop the leading %s", field, scheme)
		}
	}
	host := endpoint
	if name, port, err := net.SplitHostPort(endpoint); err == nil {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return fmt.Errorf("checking %s: the port is not a number from 1 to 65535", field)
		}
		host = name
	}
	if len(host) > 253 {
		return fmt.Errorf("checking %s: got %d characters, limit 253", field, len(host))
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label, 63) {
			return fmt.Errorf("checking %s: want a host name such as name.vault.azure.net, without scheme, path or slash", field)
		}
	}
	return nil
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
