package keys

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kafka-e2ee/settings"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/policy"
)

// Source is where keys come from. Make it with [Settings.Open].
type Source struct {
	Settings
	names    []string
	releaser skrclient.Releaser
	attester *skrclient.Attester // nil if nothing can attest
	policy   *policy.Policy      // nil without RELEASE_POLICY_FILE

	expectedIDs []string // nil: every key is used
}

// openProvider makes the client that asks for keys.
func (s *Source) openProvider() error {
	switch s.Provider {
	case providerSKR:
		return s.openSidecar()
	case providerCDH:
		hub, err := skrclient.NewHub(skrclient.HubConfig{URL: s.HubURL})
		s.releaser = hub
		return errors.Join(withVariable("CDH_URL", err), checkNames(s.names, skrclient.CheckResource))
	case providerFile:
		if s.File == "" {
			return settings.Errorf("KEY_FILE", "is not set, but KEY_PROVIDER is file (hint: set KEY_FILE to the path of the private key)")
		}
		file, err := skrclient.NewFile(s.File)
		s.releaser = file
		return withVariable("KEY_FILE", err)
	default:
		return settings.Errorf("KEY_PROVIDER", "want skr, cdh or file")
	}
}

// openSidecar makes the client of the sidecar, which can attest, too.
func (s *Source) openSidecar() error {
	client, err := skrclient.New(skrclient.Config{URL: s.SkrURL, AccessTokenFile: s.TokenFile})
	s.releaser = client
	maaErr := checkHost("SkrClientMAAEndpoint", s.MAAEndpoint)
	errs := []error{
		withVariable("SKR_URL", err), checkNames(s.names, skrclient.CheckKeyName), maaErr,
		checkHost("SkrClientAKVEndpoint", s.AKVEndpoint),
	}
	if err == nil && maaErr == nil && s.MAAEndpoint != "" {
		s.attester, err = skrclient.NewAttester(skrclient.AttesterConfig{Client: client, MAAEndpoint: s.MAAEndpoint, CAFile: s.AttestationCAFile})
		errs = append(errs, withVariable("ATTESTATION_CA_FILE", err))
	}
	return errors.Join(errs...)
}

// Attester returns what asks for attestation tokens about this pod, or nil if nothing can.
func (s *Source) Attester() *skrclient.Attester { return s.attester }

// unset returns the variables without which no key can be asked for.
func (s *Source) unset() (variables []string) {
	if len(s.names) == 0 && s.Provider != providerFile {
		variables = append(variables, "SkrClientKID")
	}
	if s.MAAEndpoint == "" && s.Provider == providerSKR {
		variables = append(variables, "SkrClientMAAEndpoint")
	}
	if s.AKVEndpoint == "" && s.Provider == providerSKR {
		variables = append(variables, "SkrClientAKVEndpoint")
	}
	return variables
}

// wantsKey reports whether any setting says that a key is wanted.
func (s *Source) wantsKey() bool {
	return s.Provider != providerSKR || s.Names != "" || s.MAAEndpoint != "" || s.AKVEndpoint != ""
}

// url returns the address that is asked for keys, or the empty string for a file.
func (s *Source) url() string {
	switch s.Provider {
	case providerCDH:
		return s.HubURL
	case providerFile:
		return ""
	default:
		return s.SkrURL
	}
}

// requests returns the keys to ask for.
func (s *Source) requests() (requests []skrclient.Request) {
	if s.Provider == providerFile {
		return []skrclient.Request{{KeyName: filepath.Base(s.File)}}
	}
	for _, name := range s.names {
		requests = append(requests, skrclient.Request{KeyName: name, MAAEndpoint: s.MAAEndpoint, AKVEndpoint: s.AKVEndpoint})
	}
	return requests
}

// verifyCommand returns a command that shows, from outside, the release policy of the first key in the vault. Names and
// hosts were checked: none of them can end the quotes.
func (s *Source) verifyCommand() string {
	if s.Provider != providerSKR || len(s.unset()) > 0 || strings.HasSuffix(s.AKVEndpoint, ".example") {
		return "" // the lab's vault has a reserved name (RFC 2606), which nobody can reach
	}
	cloud := s.AKVEndpoint[strings.IndexByte(s.AKVEndpoint, '.')+1:]
	return fmt.Sprintf("az rest --resource 'https://%s' --url 'https://%s/keys/%s?api-version=7.4' --query release_policy.data -o tsv | tr -- '-_' '+/' | jq -Rr @base64d",
		cloud, s.AKVEndpoint, s.names[0])
}
