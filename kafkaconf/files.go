package kafkaconf

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// largestFile is more than any certificate, password or token takes.
const largestFile = 1 << 20

// read gives what the file that the variable names holds now. The error has neither path nor content.
func read(variable, path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator says which
	if err != nil {
		return nil, unreadable(variable, err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	switch {
	case err != nil:
		return nil, unreadable(variable, err)
	case len(text) > largestFile:
		return nil, &problem{variable, fmt.Sprintf("the file is larger than %d bytes", largestFile)}
	case len(bytes.TrimSpace(text)) == 0:
		return nil, &problem{variable, "the file is empty"}
	}
	return text, nil
}

func unreadable(variable string, err error) error {
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		err = pathError.Err // without the path, which is the variable's value
	}
	return &problem{variable, fmt.Sprintf("reading the file: %v", err)}
}

// readSecret is the one line of text that the file holds.
func readSecret(variable, path string) (string, error) {
	text, err := read(variable, path)
	if err != nil {
		return "", err
	}
	defer clear(text)
	line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if !utf8.Valid(line) || bytes.ContainsAny(line, "\x00\r\n") {
		return "", &problem{variable, "the file holds more than one line of text"}
	}
	return string(line), nil
}

func (s Settings) checkTLS() error {
	if s.usesTLS() {
		_, err := s.tls()
		return err
	}
	var problems []error
	for variable, value := range map[string]string{"KAFKA_CA_FILE": s.CAFile, "KAFKA_CLIENT_CERT_FILE": s.ClientCertFile, "KAFKA_CLIENT_KEY_FILE": s.ClientKeyFile} {
		if value != "" {
			problems = append(problems, &problem{variable, "is for TLS only; hint: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"})
		}
	}
	return errors.Join(problems...)
}

// tls makes of the files what they hold now. The name of a broker is always verified, and there is no way not to.
func (s Settings) tls() (*tls.Config, error) {
	roots, badRoots := s.roots()
	own, badOwn := s.certificates()
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: own}, errors.Join(badRoots, badOwn)
}

// roots are the authorities that are trusted; nil means the system's.
func (s Settings) roots() (*x509.CertPool, error) {
	if s.CAFile == "" {
		return nil, nil
	}
	text, err := read("KAFKA_CA_FILE", s.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, &problem{"KAFKA_CA_FILE", "the file holds no certificate in PEM"}
	}
	return roots, nil
}

// certificates are what proves this client; none where none is set.
func (s Settings) certificates() ([]tls.Certificate, error) {
	switch {
	case s.ClientCertFile == "" && s.ClientKeyFile == "":
		return nil, nil
	case s.ClientCertFile == "":
		return nil, &problem{"KAFKA_CLIENT_CERT_FILE", "is not set, but KAFKA_CLIENT_KEY_FILE is"}
	case s.ClientKeyFile == "":
		return nil, &problem{"KAFKA_CLIENT_KEY_FILE", "is not set, but KAFKA_CLIENT_CERT_FILE is"}
	}
	cert, badCert := read("KAFKA_CLIENT_CERT_FILE", s.ClientCertFile)
	key, badKey := read("KAFKA_CLIENT_KEY_FILE", s.ClientKeyFile)
	defer clear(key)
	if err := errors.Join(badCert, badKey); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		// crypto/tls says what is wrong with which of the two, and nothing of what they hold.
		return nil, &problem{"KAFKA_CLIENT_CERT_FILE and KAFKA_CLIENT_KEY_FILE", err.Error()}
	}
	return []tls.Certificate{pair}, nil
}
