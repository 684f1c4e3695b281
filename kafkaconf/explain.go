package kafkaconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/IBM/sarama"

	"kafka-e2ee/settings"
)

// Explain returns the cause of a failure of a client with these settings. err is an error of sarama or of the network.
func (s Settings) Explain(err error) Cause {
	if failed, ok := errors.AsType[*connectError](err); ok {
		return s.explainConnect(failed)
	}
	if errors.Is(err, sarama.ErrSASLAuthenticationFailed) { // on a connection that was up
		return s.refusedCredentials()
	}
	if refusal, ok := errors.AsType[sarama.KError](err); ok {
		return explainCode(refusal)
	}
	if cause, found := s.explainStream(err, "a broker"); found {
		return cause
	}
	if cause, found := explainClient(err); found {
		return cause
	}
	return Cause{Code: NoAnswer, What: "no broker answers", Hint: "BROKERS"}
}

func (s Settings) explainConnect(e *connectError) Cause {
	var cause Cause
	var found bool
	switch e.step {
	case connecting:
	case handshake:
		cause, found = s.explainCertificate(e.err, e.addr)
	case signingIn:
		cause, found = s.explainSignIn(e.err)
	}
	addr := sanitize(e.addr)
	if !found {
		cause, found = s.explainStream(e.err, addr)
	}
	if !found {
		code := map[step]Code{connecting: ConnectFailed, handshake: TLSFailed, signingIn: SignInFailed}[e.step]
		cause = Cause{Code: code, Peer: addr, What: fmt.Sprintf("%s %s failed", e.step, addr), Hint: s.sourceOf(e.addr)}
	}
	return cause
}

// explainStream explains errors that can occur at any time of a connection. A setting can become wrong at any time, too,
// because each connection reads the files again.
func (s Settings) explainStream(err error, peer string) (cause Cause, found bool) {
	var wrong *settings.Error
	var dns *net.DNSError
	var op *net.OpError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &wrong):
		return Cause{Code: SettingInvalid, What: wrong.Error(), Hint: wrong.Variable}, true
	case errors.As(err, &dns):
		return Cause{Code: HostNotFound, Peer: sanitize(dns.Name), What: fmt.Sprintf("host name %s not found", sanitize(dns.Name)), Hint: s.sourceOf(dns.Name)}, true
	case errors.As(err, &op) && op.Op == "remote error":
		return s.explainAlert(op.Err.Error(), peer), true
	case errors.Is(err, syscall.ECONNREFUSED):
		return Cause{Code: ConnectionRefused, Peer: peer, What: peer + " refuses connections: nothing listens at that port", Hint: s.sourceOf(peer)}, true
	case errors.As(err, &notTLS):
		return Cause{Code: NotTLS, Peer: peer, What: peer + " does not speak TLS", Hint: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS"}, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Cause{Code: Timeout, Peer: peer, What: peer + " does not answer in time", Hint: s.sourceOf(peer)}, true
	case closedByPeer(err):
		return Cause{Code: ConnectionClosed, Peer: peer, What: peer + " closed the connection", Hint: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS, unless Kafka is restarting"}, true
	}
	return Cause{}, false
}

// explainCertificate explains why a broker's certificate is not accepted.
func (s Settings) explainCertificate(err error, addr string) (cause Cause, found bool) {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var system x509.SystemRootsError
	peer := sanitize(addr)
	switch {
	case errors.As(err, &name):
		names := sanitize(strings.Join(certificateNames(name.Certificate), ", "))
		return Cause{Code: WrongName, Peer: peer, Detail: names, What: fmt.Sprintf("the certificate of %s is for another name: %s", peer, names), Hint: s.sourceOf(addr)}, true
	case errors.As(err, &authority):
		issuer := sanitize(authority.Cert.Issuer.CommonName)
		return Cause{Code: UnknownCA, Peer: peer, Detail: issuer, What: fmt.Sprintf("the certificate of %s is not from an authority that is trusted here: issued by %q", peer, issuer), Hint: "KAFKA_CA_FILE"}, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		code, detail, text := validity(invalid.Cert, CertificateExpired, CertificateNotYetValid)
		return Cause{Code: code, Peer: peer, Detail: detail, What: fmt.Sprintf("the certificate of %s %s", peer, text), Hint: "that certificate, and this computer's clock"}, true
	case errors.As(err, &invalid):
		return Cause{Code: CertificateNotForServer, Peer: peer, What: fmt.Sprintf("the certificate of %s is not one for a server", peer), Hint: "KAFKA_CA_FILE, and that certificate"}, true
	case errors.As(err, &system):
		return Cause{Code: NoSystemCA, What: "this system has no authorities to check certificates with", Hint: "KAFKA_CA_FILE"}, true
	}
	return Cause{}, false
}

// validity explains why a certificate is not valid now. It returns the code that applies, the certificate's name and
// the violated limit, and the same in English.
func validity(c *x509.Certificate, expired, early Code) (code Code, detail, text string) {
	name := sanitize(c.Subject.CommonName)
	code, limit, text := expired, c.NotAfter, "expired at"
	if time.Now().Before(c.NotBefore) {
		code, limit, text = early, c.NotBefore, "is not valid before"
	}
	at := limit.UTC().Format(time.RFC3339)
	return code, fmt.Sprintf("%q, %s", name, at), fmt.Sprintf("(%q) %s %s", name, text, at)
}

func certificateNames(c *x509.Certificate) []string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names[:min(len(names), 4)]
}

// explainAlert explains why a broker ended TLS. An alert about certificates is about the client's.
func (s Settings) explainAlert(alert, peer string) Cause {
	alert = strings.TrimPrefix(alert, "tls: ") // the text is one of crypto/tls, not of the broker
	if !strings.Contains(alert, "certificate") {
		return Cause{Code: TLSEnded, Peer: peer, Detail: alert, What: fmt.Sprintf("%s ended TLS (%s)", peer, alert), Hint: "KAFKA_SECURITY_PROTOCOL and the port in BROKERS"}
	}
	const check = "KAFKA_CLIENT_CERT_FILE"
	client, err := s.clientCertificates()
	switch {
	case err != nil:
	case len(client) == 0:
		return Cause{Code: ClientCertificateMissing, Peer: peer, Detail: alert, What: fmt.Sprintf("%s wants a client certificate (%s)", peer, alert), Hint: check, Refused: true}
	case time.Now().After(client[0].Leaf.NotAfter) || time.Now().Before(client[0].Leaf.NotBefore):
		code, detail, text := validity(client[0].Leaf, ClientCertificateExpired, ClientCertificateNotYetValid)
		return Cause{Code: code, Detail: detail, What: "the client certificate " + text, Hint: check, Refused: true}
	}
	return Cause{Code: ClientCertificateRefused, Peer: peer, Detail: alert, What: fmt.Sprintf("%s does not accept the client certificate (%s)", peer, alert), Hint: check, Refused: true}
}

var entraCode = regexp.MustCompile(`AADSTS[0-9]{4,8}`)

func (s Settings) explainSignIn(err error) (cause Cause, found bool) {
	var refusal sarama.KError
	var azure *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &azure):
		code, hint := entraCode.FindString(azure.Error()), "AZURE_CLIENT_ID, AZURE_TENANT_ID and KAFKA_AZURE_SCOPE"
		if s.AzureIdentity == managedIdentity {
			hint = "KAFKA_AZURE_SCOPE, and which managed identity this container group or machine has"
		}
		return Cause{Code: EntraRefused, Detail: code, What: strings.TrimSpace("Microsoft Entra gives no token " + code), Hint: hint}, true
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed): // not As: sarama wraps the broker's text
		return s.refusedCredentials(), true
	case errors.As(err, &refusal):
		return explainCode(refusal), true
	case closedByPeer(err): // some brokers refuse like this
		used := s.credentials()
		return Cause{Code: used.cutOff, What: "Kafka closed the connection when it was given " + used.name, Hint: used.check + ", or KAFKA_SECURITY_PROTOCOL"}, true
	}
	return Cause{}, false
}

func (s Settings) refusedCredentials() Cause {
	used := s.credentials()
	return Cause{Code: used.refused, What: "Kafka does not accept " + used.name, Hint: used.check, Refused: true}
}

// credentials is what a client signs in with, and where it is set.
type credentials struct {
	refused, cutOff Code
	name, check     string
}

func (s Settings) credentials() credentials {
	switch {
	case s.mechanism() != oauthBearer && s.ConnectionStringFile != "":
		return credentials{ConnectionStringRefused, ConnectionStringCutOff, "the connection string", "KAFKA_CONNECTION_STRING_FILE"}
	case s.mechanism() != oauthBearer:
		return credentials{PasswordRefused, PasswordCutOff, "the user name or the password", "KAFKA_SASL_USER and KAFKA_SASL_PASSWORD_FILE"}
	case s.TokenFile != "":
		return credentials{TokenRefused, TokenCutOff, "the token", "KAFKA_TOKEN_FILE"}
	}
	return credentials{IdentityRefused, IdentityCutOff, "the token of the workload identity", "KAFKA_AZURE_SCOPE, and the identity's roles"}
}

// closedByPeer reports whether err means that the other side closed the connection.
func closedByPeer(err error) bool {
	return isAny(err, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE)
}

// sourceOf names the settings that an address comes from: BROKERS, or else what a broker announced as its address.
func (s Settings) sourceOf(addr string) string {
	if slices.ContainsFunc(s.Brokers, func(known string) bool { return hostOf(known) == hostOf(addr) }) {
		return "BROKERS"
	}
	return "BROKERS, and the brokers' advertised.listeners"
}

// sanitize replaces, in a name from outside, all characters that names do not have.
func sanitize(name string) string {
	const limit = 200
	kept := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:*[]@, ", r) {
			return r
		}
		return '?'
	}, name)
	return kept[:min(len(kept), limit)]
}
