// Package keys requests the private keys that decrypt records, and reports the progress.
//
//	source, err := settings.Open()              // checks the settings; does not connect
//	k, err := keys.New(source, keys.Config{…})
//	go k.Run(ctx)                               // asks until every key is released
//	status := k.Status()                        // for the page
//
// Keys stay in the memory of this process. The package does not protect them from whoever can read that memory. With
// KEY_PROVIDER=file nothing is attested.
package keys

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"

	"kafka-e2ee/envelope"
	"kafka-e2ee/settings"
	"kafka-e2ee/skrclient"
)

// Settings say which keys to ask for, and where.
type Settings struct {
	Names       string `envconfig:"SkrClientKID" blanks:"cut" desc:"name of the key in the vault, or several separated by commas; if any of the SkrClient… variables is not set, no key is requested, and the page says so"`
	MAAEndpoint string `envconfig:"SkrClientMAAEndpoint" blanks:"cut" desc:"host name of the attestation service; a leading https:// and a trailing / are ignored"`
	AKVEndpoint string `envconfig:"SkrClientAKVEndpoint" blanks:"cut" desc:"host name of the vault; a leading https:// and a trailing / are ignored"`
	SkrURL      string `envconfig:"SKR_URL" blanks:"cut" default:"http://localhost:8080" desc:"address of the key-release sidecar"`
	TokenFile   string `envconfig:"SKR_ACCESS_TOKEN_FILE" desc:"file with an access token for the vault, instead of the pod's identity"`

	Provider          string `envconfig:"KEY_PROVIDER" default:"skr" desc:"source of keys: skr (Azure's sidecar), cdh (data hub of Confidential Containers; SkrClientKID is then REPO/TYPE/TAG) or file (for development: nothing is attested)"`
	HubURL            string `envconfig:"CDH_URL" blanks:"cut" default:"http://127.0.0.1:8006" desc:"address of the data hub, for KEY_PROVIDER=cdh"`
	File              string `envconfig:"KEY_FILE" desc:"file with the private key (JWK or PEM), for KEY_PROVIDER=file"`
	ExpectedIDs       string `envconfig:"EXPECTED_KEY_IDS" desc:"ids of the keys that may be used, separated by commas, in a rotation those of the old and the new key; any other key that is released is not used (state unexpected); empty: every released key is used"`
	AttestationCAFile string `envconfig:"ATTESTATION_CA_FILE" desc:"file with the roots (PEM) to trust for the attestation service's certificate, instead of the system's"`
	PolicyFile        string `envconfig:"RELEASE_POLICY_FILE" desc:"file with a copy of the key's release policy, for comparison on the page only; there is no inline form, because the policy holds the measurement of this very environment"`
}

// The values of KEY_PROVIDER.
const (
	providerSKR  = "skr" // also if empty, as in a literal
	providerCDH  = "cdh"
	providerFile = "file"
)

// Open checks the settings and reads the files that they name. It does not connect.
func (s Settings) Open() (*Source, error) {
	s.Provider = cmp.Or(s.Provider, providerSKR)
	s.MAAEndpoint, s.AKVEndpoint = hostOf(s.MAAEndpoint), hostOf(s.AKVEndpoint)
	source := &Source{Settings: s, names: splitNames(s.Names)}
	errs := []error{source.openProvider()}
	if s.ExpectedIDs != "" {
		var err error
		if source.expectedIDs, err = envelope.ParseKeyIDs(s.ExpectedIDs); err != nil {
			errs = append(errs, settings.Errorf("EXPECTED_KEY_IDS", "want ids of keys, separated by commas (hint: envelope thumbprint FILE prints the id of a public key)"))
		}
	}
	if s.File != "" && s.Provider != providerFile {
		errs = append(errs, settings.Errorf("KEY_FILE", "is set, but KEY_PROVIDER is not file"))
	}
	if s.TokenFile != "" && (s.Provider != providerSKR || !source.wantsKey()) {
		errs = append(errs, settings.Errorf("SKR_ACCESS_TOKEN_FILE", "is set, but no key is asked for with it (hint: set SkrClientKID, SkrClientMAAEndpoint and SkrClientAKVEndpoint, and leave KEY_PROVIDER at skr)"))
	}
	if s.PolicyFile != "" {
		var err error
		source.policy, err = skrclient.ReadPolicyFile(s.PolicyFile)
		errs = append(errs, withVariable("RELEASE_POLICY_FILE", err))
	}
	return source, errors.Join(errs...)
}

// hostOf accepts what the original programs accept: upper case, https:// before the host and slashes after it. The
// result is in lower case, because it is compared.
func hostOf(endpoint string) string {
	return strings.TrimRight(strings.TrimPrefix(strings.ToLower(endpoint), "https://"), "/")
}

// splitNames splits SkrClientKID.
func splitNames(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// checkNames accepts an empty list: then no key is asked for.
func checkNames(names []string, check func(string) error) error {
	for i, name := range names {
		if err := check(name); err != nil {
			return withVariable("SkrClientKID", err)
		}
		if slices.Contains(names[:i], name) {
			return settings.Errorf("SkrClientKID", "names a key twice")
		}
	}
	return nil
}

// checkHost accepts an empty host: then no key is asked for.
func checkHost(variable, host string) error {
	if host == "" {
		return nil
	}
	return withVariable(variable, skrclient.CheckEndpoint(host))
}

// withVariable names the variable in an error, and removes a path, which is the variable's value.
func withVariable(variable string, err error) error {
	if err == nil {
		return nil
	}
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return settings.Errorf(variable, "reading the file: %w", pathError.Err)
	}
	return &settings.Error{Variable: variable, Err: err}
}
