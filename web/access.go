package web

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Access says who may see the page, and over what. The zero value lets in everyone who reaches it, without TLS, as in
// the document; the page and the log say so. The files are read again when they change.
type Access struct {
	TLSCertFile  string   `envconfig:"WEB_TLS_CERT_FILE" desc:"file with the page's certificate, and those that lead to its root (PEM): the page is then served over TLS alone; the four files of the page are read again when they change"`
	TLSKeyFile   string   `envconfig:"WEB_TLS_KEY_FILE" desc:"file with the private key of that certificate (PEM, not encrypted)"`
	ClientCAFile string   `envconfig:"WEB_CLIENT_CA_FILE" desc:"file with roots (PEM): only who has a client certificate from one of them gets in"`
	UsersFile    string   `envconfig:"WEB_USERS_FILE" desc:"file with names and bcrypt hashes of passwords (htpasswd -B): only who signs in gets in; needs TLS"`
	Hosts        []string `envconfig:"WEB_HOSTS" desc:"host names that the page answers to, without port, separated by commas; not set: all"`
	Streams      int      `envconfig:"WEB_STREAMS" default:"256" desc:"pages that can be live at once, at most 10000; 0 means 256"`
}

const (
	usualStreams = 256
	mostStreams  = 10_000
)

// CheckAccess reads the files and reports everything that is wrong. Each problem starts with its variable's name, and
// none holds its value or anything of a file.
func (a Access) CheckAccess() error {
	problems := []error{a.checkHosts()}
	if a.Streams < 0 || a.Streams > mostStreams {
		problems = append(problems, fmt.Errorf("WEB_STREAMS: want 1 to %d", mostStreams))
	}
	_, _, err := a.pass()
	return errors.Join(append(problems, err)...)
}

func (a Access) checkHosts() error {
	for _, host := range a.Hosts {
		if _, err := netip.ParseAddr(host); err != nil && (host == "" || strings.ContainsAny(host, " :/*[]")) {
			return errors.New("WEB_HOSTS: want names or IP addresses without scheme, port or wildcard, separated by commas")
		}
	}
	return nil
}

// material is what the files hold now.
type material struct{ cert, key, clients, users []byte }

// read reads the files. What no set of settings can mean is an error too.
func (a Access) read() (material, error) {
	var m material
	var problems []error
	for _, file := range []struct {
		variable, path string
		text           *[]byte
	}{
		{"WEB_TLS_CERT_FILE", a.TLSCertFile, &m.cert},
		{"WEB_TLS_KEY_FILE", a.TLSKeyFile, &m.key},
		{"WEB_CLIENT_CA_FILE", a.ClientCAFile, &m.clients},
		{"WEB_USERS_FILE", a.UsersFile, &m.users},
	} {
		if file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
			err = pathError.Err // without the path, which is the variable's value
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: reading the file: %w", file.variable, err))
		}
		*file.text = text
	}
	return m, errors.Join(append(problems, a.checkTogether())...)
}

// checkTogether reports settings that contradict each other.
func (a Access) checkTogether() error {
	var problems []error
	problem := func(text string) { problems = append(problems, errors.New(text)) }
	tls := a.TLSCertFile != "" && a.TLSKeyFile != ""
	switch {
	case tls:
	case a.TLSCertFile != "":
		problem("WEB_TLS_KEY_FILE: is not set, but WEB_TLS_CERT_FILE is (hint: set both or none)")
	case a.TLSKeyFile != "":
		problem("WEB_TLS_CERT_FILE: is not set, but WEB_TLS_KEY_FILE is (hint: set both or none)")
	}
	if a.UsersFile != "" && !tls {
		problem("WEB_USERS_FILE: needs TLS, or passwords would be readable on the way (hint: set WEB_TLS_CERT_FILE and WEB_TLS_KEY_FILE)")
	}
	if a.ClientCAFile != "" && !tls {
		problem("WEB_CLIENT_CA_FILE: needs TLS (hint: set WEB_TLS_CERT_FILE and WEB_TLS_KEY_FILE)")
	}
	return errors.Join(problems...)
}

// fingerprint tells one state of the files from another.
type fingerprint [4][sha256.Size]byte

func (m material) fingerprint() fingerprint {
	return fingerprint{sha256.Sum256(m.cert), sha256.Sum256(m.key), sha256.Sum256(m.clients), sha256.Sum256(m.users)}
}

// pass makes of the files what lets people in.
func (a Access) pass() (*pass, fingerprint, error) {
	m, err := a.read()
	defer clear(m.key)
	mark := m.fingerprint()
	if err != nil {
		return nil, mark, err
	}
	p, err := newPass(a, m, time.Now())
	return p, mark, err
}
