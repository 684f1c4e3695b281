package verify

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/policy"
)

// Config is what the command line asks for.
type Config struct {
	URL      *url.URL // https://HOST or https://HOST:PORT
	Source   string   // what Attested.Policy was made from, for people
	Attested attested.Config

	JSON        bool
	Fingerprint bool // also print what a browser shows of the certificate
	Open        bool // afterwards, serve the page on loopback
}

const usage = `verify checks that a page is served by the code that a key's release policy names.

  verify -policy FILE [flags] https://HOST[:PORT]
  verify -maa HOST -hostdata HEX [flags] https://HOST[:PORT]

Take FILE, or HEX, and this program from whoever created the key, not from the page. Exit status: 0 verified, 1 refused
or no attestation, 2 could not be checked. The HTTP proxy of the environment is used for the attestation service only.

`

// Parse reads the command line and the files that it names. If the help or the version is asked for, it writes that to out,
// and the error is [flag.ErrHelp].
func Parse(args []string, version string, out io.Writer) (Config, error) {
	var cfg Config
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	policyFile := flags.String("policy", "", "`FILE` with the release policy of the page's key")
	maa := flags.String("maa", "", "`HOST` of the attestation service; with -policy, the only one of the policy's that is trusted")
	hostData := flags.String("hostdata", "", "SHA-256 of the pod's security policy in `HEX`, instead of -policy")
	key := flags.String("key", "", "`KEY` that the pod must hold: an id, a file with a public key in PEM, or the PEM itself")
	nonce := flags.Bool("nonce", true, "ask for a token that is made for this connection")
	flags.StringVar(&cfg.Attested.CAFile, "ca", "", "`FILE` with the roots of the attestation service's TLS in PEM, instead of the system's")
	flags.DurationVar(&cfg.Attested.MaxAge, "max-age", 0, "refuse a token that is older than this `DURATION`, such as 10m")
	flags.BoolVar(&cfg.JSON, "json", false, "print the result as JSON")
	flags.BoolVar(&cfg.Open, "open", false, "afterwards, serve the verified page on loopback until interrupted, and print its one-time address")
	flags.BoolVar(&cfg.Fingerprint, "fingerprint", false, "also print the fingerprints that a browser's certificate dialog shows")
	showVersion := flags.Bool("version", false, "print version, commit and Go version")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(out)
			fmt.Fprint(out, usage) //nolint:errcheck // nobody reads the help
			flags.PrintDefaults()
			fmt.Fprint(out, "\nRead on: docs/attested-page.md\n") //nolint:errcheck // as above
			return cfg, err
		}
		return cfg, hint(err)
	}
	if *showVersion {
		fmt.Fprintln(out, version) //nolint:errcheck // as above
		return cfg, flag.ErrHelp
	}
	cfg.Attested.AcceptOlderToken = !*nonce
	var err error
	cfg.Source = *policyFile
	if *hostData != "" {
		cfg.Source = "-hostdata"
	}
	if cfg.Attested.Policy, err = readPolicy(*policyFile, *maa, *hostData); err != nil {
		return cfg, hint(err)
	}
	if *key != "" {
		id, err := readKey(*key)
		if err != nil {
			return cfg, hint(err)
		}
		cfg.Attested.KeyIDs = []string{id}
	}
	if flags.NArg() != 1 {
		return cfg, hint(fmt.Errorf("got %d arguments after the flags, want the page's address alone", flags.NArg()))
	}
	if cfg.URL, err = readURL(flags.Arg(0)); err != nil {
		return cfg, hint(err)
	}
	switch {
	case cfg.Attested.MaxAge < 0:
		return cfg, hint(errors.New("-max-age is less than 0"))
	case cfg.JSON && (cfg.Open || cfg.Fingerprint):
		return cfg, hint(errors.New("-json prints fingerprints anyway and does not go with -open"))
	}
	return cfg, nil
}

func hint(err error) error { return fmt.Errorf("%w (hint: verify -h)", err) }

// readPolicy returns the policy in a file, or one that requires the host data.
func readPolicy(file, maa, hostData string) (policy.Policy, error) {
	switch {
	case (file == "") == (hostData == ""):
		return policy.Policy{}, errors.New("want either -policy or -hostdata")
	case hostData != "" && maa == "":
		return policy.Policy{}, errors.New("-hostdata wants -maa, too")
	case hostData != "":
		measurement, err := hex.DecodeString(hostData)
		if err != nil || len(measurement) != 32 {
			return policy.Policy{}, errors.New("-hostdata wants 64 hexadecimal digits")
		}
		if err := skrclient.CheckEndpoint(maa); err != nil {
			return policy.Policy{}, fmt.Errorf("checking -maa: %w", err)
		}
		return policy.ForEitherPlatform(maa, [32]byte(measurement)), nil
	}
	p, err := skrclient.ReadPolicyFile(file)
	if err != nil {
		return policy.Policy{}, err
	}
	if maa != "" {
		p.Authorities = slices.DeleteFunc(p.Authorities, func(a policy.Authority) bool { return a.URL != "https://"+maa })
		if len(p.Authorities) == 0 {
			return policy.Policy{}, fmt.Errorf("the policy does not trust the attestation service %q", maa)
		}
	}
	return *p, attested.CheckPolicy(*p)
}

const (
	idLength   = 43 // of a SHA-256 in base64url
	maxKeyFile = 64 << 10
)

// readKey returns the id of a key.
func readKey(key string) (string, error) {
	text := []byte(key)
	if !strings.HasPrefix(key, "-----BEGIN ") {
		if _, err := os.Stat(key); err != nil && len(key) == idLength {
			return key, nil
		}
		file, err := os.Open(key) //nolint:gosec // the user names it
		if err != nil {
			return "", fmt.Errorf("reading -key, which is not an id: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read from
		if text, err = io.ReadAll(io.LimitReader(file, maxKeyFile)); err != nil {
			return "", fmt.Errorf("reading -key: %w", err)
		}
	}
	keys, err := envelope.ParsePublicKeys(bytes.TrimSpace(text))
	if err != nil {
		return "", fmt.Errorf("reading -key: %w", err)
	}
	if len(keys) != 1 {
		return "", fmt.Errorf("reading -key: got %d keys, want one", len(keys))
	}
	return envelope.KeyID(keys[0]), nil
}

// readURL accepts the address of a page, and nothing after it.
func readURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(u.Host, ":") {
		return nil, errors.New("the address is not https://HOST or https://HOST:PORT, with nothing after it")
	}
	u.Path = ""
	return u, nil
}

// address is the HOST:PORT to connect to.
func (c Config) address() string {
	port := c.URL.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(c.URL.Hostname(), port)
}
