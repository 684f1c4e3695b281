package access

import (
	"errors"
	"net/netip"

	"kafka-e2ee/settings"
)

// Settings configure the page's addresses, sign-in and TLS. The zero value means no sign-in and no TLS, as in the article: everyone who reaches
// the page may read it; the page and the log say so.
type Settings struct {
	Addr         string   `envconfig:"WEB_ADDR" blanks:"cut" default:":3333" desc:"address of the page; none (also if empty): no page but the one at WEB_ATTESTED_ADDR"`
	AttestedAddr string   `envconfig:"WEB_ATTESTED_ADDR" blanks:"cut" desc:"second address of the page, over TLS 1.3 with a key that this process makes, never writes, and has attested; needs WEB_HOSTS, which the certificate is for. Empty: none"`
	TLSCertFile  string   `envconfig:"WEB_TLS_CERT_FILE" desc:"file with the page's certificate (PEM), followed by its intermediates; the page is then served over TLS only. The files of the page are reread when they change"`
	TLSKeyFile   string   `envconfig:"WEB_TLS_KEY_FILE" desc:"file with the private key of WEB_TLS_CERT_FILE (PEM, not encrypted)"`
	ClientCA     string   `envconfig:"WEB_CLIENT_CA" desc:"roots (PEM): viewers need a client certificate from one of them; needs TLS. The policy of a confidential pod measures them"`
	ClientCAFile string   `envconfig:"WEB_CLIENT_CA_FILE" desc:"file with the roots, instead of WEB_CLIENT_CA; whoever may change the file decides who is let in"`
	Users        string   `envconfig:"WEB_USERS" desc:"user names and bcrypt hashes of passwords, one NAME:HASH a line (htpasswd -nB): viewers must sign in; needs TLS. The policy of a confidential pod measures them and shows the hashes to everyone who can read it: use generated passwords only"`
	UsersFile    string   `envconfig:"WEB_USERS_FILE" desc:"file with the users, instead of WEB_USERS; whoever may change the file decides who is let in"`
	Hosts        []string `envconfig:"WEB_HOSTS" blanks:"cut" desc:"host names of the page, without port, separated by commas; requests for others are refused; not set: all are accepted"`
	Streams      int      `envconfig:"WEB_STREAMS" default:"256" desc:"limit of pages that receive updates at the same time, at most 10000; 0 means 256"`
}

const (
	defaultStreams = 256
	maxStreams     = 10_000
)

// Check reads the texts and files and reports all problems. Each problem starts with its variable's name. None holds the
// variable's value or anything of a file.
func (s Settings) Check() error {
	_, err := s.load()
	return err
}

// load reports all problems, and returns a loader with the credentials if there are none.
func (s Settings) load() (*loader, error) {
	clientRoots, rootsErr := s.clientRoots()
	users, usersErr := s.users()
	l := newLoader(s.certificate(), clientRoots, users)
	problems := []error{s.checkHosts(), s.checkStreams(), s.checkAddrs(), s.checkTogether(), rootsErr, usersErr}
	for _, part := range l.parts {
		problems = append(problems, part.Reload().Err)
	}
	return l, errors.Join(problems...)
}

// certificate returns where the page's certificate and its key are.
func (s Settings) certificate() []settings.Source {
	return []settings.Source{{Variable: "WEB_TLS_CERT_FILE", Path: s.TLSCertFile}, {Variable: "WEB_TLS_KEY_FILE", Path: s.TLSKeyFile}}
}

// clientRoots returns where the roots of the viewers' certificates are.
func (s Settings) clientRoots() (settings.Source, error) {
	return settings.OneOf("WEB_CLIENT_CA", s.ClientCA, s.ClientCAFile)
}

// users returns where the users are.
func (s Settings) users() (settings.Source, error) {
	return settings.OneOf("WEB_USERS", s.Users, s.UsersFile)
}

func (s Settings) checkHosts() error {
	for _, host := range s.Hosts {
		if _, err := netip.ParseAddr(host); err != nil && !settings.IsHostName(host) {
			return settings.Errorf("WEB_HOSTS", "want names or IP addresses without scheme, port or wildcard, separated by commas")
		}
	}
	return nil
}

// checkAddrs does not require an address: a caller may bring its own listener.
func (s Settings) checkAddrs() error {
	var problems []error
	if addr := s.PlainAddr(); addr != "" {
		problems = append(problems, settings.CheckListenAddr("WEB_ADDR", addr))
	}
	if s.AttestedAddr != "" {
		problems = append(problems, settings.CheckListenAddr("WEB_ATTESTED_ADDR", s.AttestedAddr))
		if len(s.Hosts) == 0 {
			problems = append(problems, settings.Errorf("WEB_HOSTS", "is not set, but WEB_ATTESTED_ADDR is (hint: the host names under which the page is opened)"))
		}
	}
	return errors.Join(problems...)
}

func (s Settings) checkStreams() error {
	if s.Streams < 0 || s.Streams > maxStreams {
		return settings.Errorf("WEB_STREAMS", "want 0 to %d", maxStreams)
	}
	return nil
}

// attestedOnly reports whether the attested address, which always has TLS, is the only one.
func (s Settings) attestedOnly() bool { return s.PlainAddr() == "" && s.AttestedAddr != "" }

// PlainAddr returns the address in WEB_ADDR, or the empty string if that is the word none. The word is for platforms
// that do not accept empty values, and for `consume -require`.
func (s Settings) PlainAddr() string {
	if s.Addr == "none" {
		return ""
	}
	return s.Addr
}

// checkTogether reports settings that contradict each other.
func (s Settings) checkTogether() error {
	var problems []error
	problem := func(variable, text string) { problems = append(problems, settings.Errorf(variable, "%s", text)) }
	tls := s.TLSCertFile != "" && s.TLSKeyFile != ""
	switch {
	case tls:
	case s.TLSCertFile != "":
		problem("WEB_TLS_KEY_FILE", "is not set, but WEB_TLS_CERT_FILE is (hint: set both or none)")
	case s.TLSKeyFile != "":
		problem("WEB_TLS_CERT_FILE", "is not set, but WEB_TLS_KEY_FILE is (hint: set both or none)")
	}
	if s.attestedOnly() {
		if s.TLSCertFile != "" || s.TLSKeyFile != "" {
			problem("WEB_TLS_CERT_FILE", "and WEB_TLS_KEY_FILE are for WEB_ADDR, which is none (hint: the attested address makes its own certificate)")
		}
		tls = true
	}
	const hint = "(hint: set WEB_TLS_CERT_FILE and WEB_TLS_KEY_FILE, or WEB_ATTESTED_ADDR with WEB_ADDR=none)"
	if users, err := s.users(); err == nil && users.IsSet() && !tls {
		problem(users.Variable, "needs TLS, or passwords would be readable on the way "+hint)
	}
	if roots, err := s.clientRoots(); err == nil && roots.IsSet() && !tls {
		problem(roots.Variable, "needs TLS "+hint)
	}
	return errors.Join(problems...)
}
