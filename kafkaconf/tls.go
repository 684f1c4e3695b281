package kafkaconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"kafka-e2ee/settings"
)

func (s Settings) checkTLS() error {
	if s.usesTLS() {
		_, err := s.tls()
		return err
	}
	return unused("is for TLS only (hint: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL)",
		variable{"KAFKA_CA_FILE", s.CAFile}, variable{"KAFKA_CLIENT_CERT_FILE", s.ClientCertFile}, variable{"KAFKA_CLIENT_KEY_FILE", s.ClientKeyFile})
}

// tls loads the files. Brokers' names are always verified; no setting turns that off.
func (s Settings) tls() (*tls.Config, error) {
	roots, badRoots := s.roots()
	client, badClient := s.clientCertificates()
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: client}, errors.Join(badRoots, badClient)
}

// roots loads the trusted authorities; nil means the system's.
func (s Settings) roots() (*x509.CertPool, error) {
	if s.CAFile == "" {
		return nil, nil
	}
	text, err := settings.ReadFile("KAFKA_CA_FILE", s.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, settings.Errorf("KAFKA_CA_FILE", "the file holds no certificate in PEM")
	}
	return roots, nil
}

// clientCertificates loads the client certificate, if one is set.
func (s Settings) clientCertificates() ([]tls.Certificate, error) {
	switch {
	case s.ClientCertFile == "" && s.ClientKeyFile == "":
		return nil, nil
	case s.ClientCertFile == "":
		return nil, settings.Errorf("KAFKA_CLIENT_CERT_FILE", "is not set, but KAFKA_CLIENT_KEY_FILE is")
	case s.ClientKeyFile == "":
		return nil, settings.Errorf("KAFKA_CLIENT_KEY_FILE", "is not set, but KAFKA_CLIENT_CERT_FILE is")
	}
	cert, badCert := settings.ReadFile("KAFKA_CLIENT_CERT_FILE", s.ClientCertFile)
	key, badKey := settings.ReadFile("KAFKA_CLIENT_KEY_FILE", s.ClientKeyFile)
	defer clear(key)
	if err := errors.Join(badCert, badKey); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		// The error of crypto/tls says which of the two is wrong, and does not hold their content.
		return nil, settings.Errorf("KAFKA_CLIENT_CERT_FILE and KAFKA_CLIENT_KEY_FILE", "%w", err)
	}
	return []tls.Certificate{pair}, nil
}
