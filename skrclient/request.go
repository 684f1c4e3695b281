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
	return errors.Join(
		within("checking key name", CheckKeyName(r.KeyName)),
		within("checking attestation endpoint", CheckEndpoint(r.MAAEndpoint)),
		within("checking vault endpoint", CheckEndpoint(r.AKVEndpoint)),
	)
}

func within(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// CheckKeyName keeps to the names that Azure Key Vault gives, since the sidecar puts the name into a URL as it is.
func CheckKeyName(name string) error {
	key, version, versioned := strings.Cut(name, "/")
	if !isLabel(key, 127) || versioned && !isLabel(version, 127) {
		return errors.New("want NAME or NAME/VERSION, each 1 to 127 letters, digits and hyphens")
	}
	return nil
}

// CheckEndpoint wants a host name without scheme, path or slash, optionally with a port.
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return errors.New("it is empty")
	}
	for _, scheme := range []string{"https://", "http://"} {
		if strings.HasPrefix(endpoint, scheme) {
			return fmt.Errorf("want a host name alone; drop the leading %s", scheme)
		}
	}
	host := endpoint
	if name, port, err := net.SplitHostPort(endpoint); err == nil {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
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

func isLabel(s string, limit int) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= limit && s[0] != '-'
}
