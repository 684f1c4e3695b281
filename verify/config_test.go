package verify

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/skrclient/attested/attestedtest"
	"kafka-e2ee/skrclient/policy"
)

// A viewer would verify something else than they asked for.
func TestParse(t *testing.T) {
	text, err := json.Marshal(policy.Policy{Authorities: slices.Concat(
		policy.ForWorkload("a.example", attestedtest.HostData()).Authorities, policy.ForWorkload("b.example", attestedtest.HostData()).Authorities)})
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "policy.json", text)
	weak, err := json.Marshal(policy.Policy{Authorities: []policy.Authority{{URL: "https://a.example", Condition: policy.Condition{All: []policy.Condition{{Claim: policy.ClaimType, Equals: "sevsnpvm"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	id, hex := envelope.KeyID(&key.PublicKey), strings.Repeat("Ab", 32)
	const page = "https://page.example:3443"

	for name, test := range map[string]struct {
		args  []string
		check func(Config) bool
	}{
		"policy": {[]string{"-policy", file, page}, func(c Config) bool {
			return len(c.Attested.Policy.Authorities) == 2 && c.address() == "page.example:3443" && c.Source == file && !c.Attested.AcceptOlderToken && c.Attested.KeyIDs == nil
		}},
		"default port": {[]string{"-policy", file, "https://page.example/"}, func(c Config) bool {
			return c.address() == "page.example:443" && c.URL.String() == "https://page.example"
		}},
		"IPv6": {[]string{"-policy", file, "https://[::1]"}, func(c Config) bool { return c.address() == "[::1]:443" }},
		"one authority": {[]string{"-policy", file, "-maa", "b.example", page}, func(c Config) bool {
			return len(c.Attested.Policy.Authorities) == 1 && c.Attested.Policy.Trusts("https://b.example")
		}},
		"host data": {[]string{"-maa", "a.example", "-hostdata", hex, page}, func(c Config) bool {
			return c.Attested.Policy.Trusts("https://a.example") && c.Attested.Policy.Authorities[0].All[1].Equals == strings.ToLower(hex) && attested.CheckPolicy(c.Attested.Policy) == nil
		}},
		"key id":           {[]string{"-policy", file, "-key", id, page}, func(c Config) bool { return slices.Equal(c.Attested.KeyIDs, []string{id}) }},
		"key in a file":    {[]string{"-policy", file, "-key", writeFile(t, "pub.pem", []byte(public)), page}, func(c Config) bool { return slices.Equal(c.Attested.KeyIDs, []string{id}) }},
		"key in PEM":       {[]string{"-policy", file, "-key", public, page}, func(c Config) bool { return slices.Equal(c.Attested.KeyIDs, []string{id}) }},
		"no nonce, an age": {[]string{"-policy", file, "-nonce=false", "-max-age", "90s", page}, func(c Config) bool { return c.Attested.AcceptOlderToken && c.Attested.MaxAge.Seconds() == 90 }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse(test.args, "verify v1", &bytes.Buffer{})
			if err != nil || !test.check(cfg) {
				t.Errorf("got %+v and %v", cfg, err)
			}
		})
	}

	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"nothing":             {nil, "want either -policy or -hostdata"},
		"policy and hash":     {[]string{"-policy", file, "-hostdata", hex, page}, "want either -policy or -hostdata"},
		"hash alone":          {[]string{"-hostdata", hex, page}, "-hostdata wants -maa"},
		"short hash":          {[]string{"-maa", "a.example", "-hostdata", "ab", page}, "64 hexadecimal digits"},
		"service with scheme": {[]string{"-maa", "https://a.example", "-hostdata", hex, page}, "drop the leading https://"},
		"other service":       {[]string{"-policy", file, "-maa", "evil.example", page}, "does not trust the attestation service"},
		"no such file":        {[]string{"-policy", file + "x", page}, "reading release policy"},
		"not a policy":        {[]string{"-policy", writeFile(t, "p.json", []byte("{}")), page}, "parsing release policy"},
		"weak policy":         {[]string{"-policy", writeFile(t, "p.json", weak), page}, "the policy is too weak: it can be satisfied without x-ms-sevsnpvm-hostdata"},
		"no address":          {[]string{"-policy", file}, "got 0 arguments after the flags"},
		"two addresses":       {[]string{"-policy", file, page, page}, "got 2 arguments after the flags"},
		"http":                {[]string{"-policy", file, "http://page.example"}, "the address is not https://HOST"},
		"user":                {[]string{"-policy", file, "https://u:p@page.example"}, "the address is not https://HOST"},
		"path":                {[]string{"-policy", file, page + "/x"}, "the address is not https://HOST"},
		"query":               {[]string{"-policy", file, page + "?x"}, "the address is not https://HOST"},
		"no port":             {[]string{"-policy", file, "https://page.example:"}, "the address is not https://HOST"},
		"host alone":          {[]string{"-policy", file, "page.example"}, "the address is not https://HOST"},
		"not a key":           {[]string{"-policy", file, "-key", "demo", page}, "reading -key, which is not an id"},
		"file without key":    {[]string{"-policy", file, "-key", file, page}, "reading -key: parsing public key"},
		"two keys":            {[]string{"-policy", file, "-key", public + public, page}, "got 2 keys, want one"},
		"negative age":        {[]string{"-policy", file, "-max-age", "-1s", page}, "-max-age is less than 0"},
		"JSON and open":       {[]string{"-policy", file, "-json", "-open", page}, "-json prints fingerprints anyway and does not go with -open"},
		"unknown flag":        {[]string{"-insecure", page}, "flag provided but not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.args, "verify v1", &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.HasSuffix(err.Error(), "(hint: verify -h)") || ExitStatus(err) != Unchecked {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}

	var help bytes.Buffer
	if _, err := Parse([]string{"-h"}, "verify v1", &help); !errors.Is(err, flag.ErrHelp) || ExitStatus(err) != Verified || !strings.Contains(help.String(), "Take FILE, or HEX, and this program from whoever created the key") {
		t.Errorf("got %v:\n%s", err, help.String())
	}

	var said bytes.Buffer
	if _, err := Parse([]string{"-version"}, "verify v1", &said); !errors.Is(err, flag.ErrHelp) || said.String() != "verify v1\n" {
		t.Errorf("got %v: %q", err, said.String())
	}
}
