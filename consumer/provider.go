package consumer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kafka-e2ee/skrclient"
)

// The values of KEY_PROVIDER. An empty one, in a literal Config, is skr.
const (
	providerSKR  = "skr"
	providerCDH  = "cdh"
	providerFile = "file"
)

func (c Config) provider() string {
	if c.KeyProvider == "" {
		return providerSKR
	}
	return c.KeyProvider
}

// releaser makes what asks for the keys; it does not connect.
func (c Config) releaser() (skrclient.Releaser, error) {
	switch c.provider() {
	case providerSKR:
		return c.sidecar()
	case providerCDH:
		hub, err := skrclient.NewHub(skrclient.HubConfig{URL: c.HubURL})
		return hub, inVariable("CDH_URL", err)
	case providerFile:
		if c.KeyFile == "" {
			return nil, errors.New("KEY_FILE: is not set, but KEY_PROVIDER is file (hint: set KEY_FILE to the path of the private key)")
		}
		file, err := skrclient.NewFile(c.KeyFile)
		return file, inVariable("KEY_FILE", err)
	default:
		return nil, errors.New("KEY_PROVIDER: want skr, cdh or file")
	}
}

// sidecar makes the client of the sidecar, which can attest too.
func (c Config) sidecar() (*skrclient.Client, error) {
	client, err := skrclient.New(skrclient.Config{URL: c.SkrURL, AccessTokenFile: c.TokenFile})
	return client, inVariable("SKR_URL", err)
}

// attester makes what gets tokens about this pod, nil where nothing can.
func (c Config) attester(client skrclient.Releaser) (*skrclient.Attester, error) {
	sidecar, can := client.(*skrclient.Client)
	if !can {
		return nil, nil // only the sidecar can attest
	}
	attester, err := skrclient.NewAttester(skrclient.AttesterConfig{
		Client: sidecar, MAAEndpoint: c.MAAEndpoint, CAFile: c.AttestationCAFile,
	})
	return attester, inVariable("ATTESTATION_CA_FILE", err)
}

// policy is what the token is compared with, nil where no file is set.
func (c Config) policy() (*skrclient.Policy, error) {
	if c.PolicyFile == "" {
		return nil, nil
	}
	policy, err := skrclient.ReadPolicyFile(c.PolicyFile)
	return policy, inVariable("RELEASE_POLICY_FILE", err)
}

// inVariable names the variable, and takes a path, which is its value, out.
func inVariable(name string, err error) error {
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = fmt.Errorf("reading the file: %w", pathError.Err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// keyURL is where keys are asked for; empty where nothing is asked.
func (c Config) keyURL() string {
	switch c.provider() {
	case providerCDH:
		return c.HubURL
	case providerFile:
		return ""
	default:
		return c.SkrURL
	}
}

// verify is the command that asks the vault, from outside, what it releases the
// first key for. Names and hosts were checked: none of them can end the quotes.
func (c Config) verify() string {
	names := c.keyNames()
	if c.provider() != providerSKR || len(names) == 0 {
		return ""
	}
	cloud := c.AKVEndpoint[strings.IndexByte(c.AKVEndpoint, '.')+1:]
	return fmt.Sprintf("az rest --resource 'https://%s' --url 'https://%s/keys/%s?api-version=7.4' --query release_policy.data -o tsv | tr -- '-_' '+/' | jq -Rr @base64d",
		cloud, c.AKVEndpoint, names[0])
}

// requests are the keys to ask for.
func (c Config) requests() []skrclient.Request {
	if c.provider() == providerFile {
		return []skrclient.Request{{KeyName: filepath.Base(c.KeyFile)}}
	}
	var requests []skrclient.Request
	for _, name := range c.keyNames() {
		requests = append(requests, skrclient.Request{KeyName: name, MAAEndpoint: c.MAAEndpoint, AKVEndpoint: c.AKVEndpoint})
	}
	return requests
}

// asksForKey reports whether a key is asked for at all. Without one the
// consumer still runs, and says so.
func (c Config) asksForKey() bool {
	return c.provider() != providerSKR || c.KeyNames != "" || c.MAAEndpoint != "" || c.AKVEndpoint != ""
}

// checkKeys checks everything about where keys come from.
func (c Config) checkKeys() error {
	client, err := c.releaser()
	errs := []error{err}
	if c.KeyFile != "" && c.provider() != providerFile {
		errs = append(errs, errors.New("KEY_FILE: is set, but KEY_PROVIDER is not file"))
	}
	if c.TokenFile != "" && (c.provider() != providerSKR || !c.asksForKey()) {
		errs = append(errs, errors.New("SKR_ACCESS_TOKEN_FILE: is set, but no key is asked for with it (hint: set SkrClientKID, SkrClientMAAEndpoint and SkrClientAKVEndpoint, and leave KEY_PROVIDER at skr)"))
	}
	if _, err := c.policy(); err != nil {
		errs = append(errs, err)
	}
	switch {
	case !c.asksForKey():
	case c.provider() == providerSKR:
		host := c.checkHost("SkrClientMAAEndpoint", c.MAAEndpoint)
		errs = append(errs, c.checkKeyNames(skrclient.CheckKeyName), host, c.checkHost("SkrClientAKVEndpoint", c.AKVEndpoint))
		if err == nil && host == nil {
			_, err := c.attester(client)
			errs = append(errs, err)
		}
	case c.provider() == providerCDH:
		errs = append(errs, c.checkKeyNames(skrclient.CheckResource))
	}
	return errors.Join(errs...)
}

// missing is what to do where one of those that name a key is empty.
func (c Config) missing() string {
	if c.provider() == providerCDH {
		return "is missing: want the path of a resource, REPO/TYPE/TAG"
	}
	return "is missing: set all of SkrClientKID, SkrClientMAAEndpoint, SkrClientAKVEndpoint, or none"
}

func (c Config) checkKeyNames(check func(string) error) error {
	names := c.keyNames()
	if len(names) == 0 {
		return errors.New("SkrClientKID: " + c.missing())
	}
	for i, name := range names {
		if err := check(name); err != nil {
			return fmt.Errorf("SkrClientKID: %w", err)
		}
		if slices.Contains(names[:i], name) {
			return errors.New("SkrClientKID: names a key twice")
		}
	}
	return nil
}

func (c Config) checkHost(variable, value string) error {
	if value == "" {
		return errors.New(variable + ": " + c.missing())
	}
	return inVariable(variable, skrclient.CheckEndpoint(value))
}

// keyNames splits SkrClientKID.
func (c Config) keyNames() []string {
	var names []string
	for name := range strings.SplitSeq(c.KeyNames, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
