package kafkaconf

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// dialer makes connections that are ready for use: TLS is up and the client is signed in, with what the files hold at
// that moment. sarama by itself would use one password for ever, and give up on records while a password is refused.
type dialer struct {
	settings Settings
	conf     sarama.Config // for signing in
	tokens   tokenSource   // for OAUTHBEARER
	wrap     func(net.Conn) net.Conn
	last     atomic.Pointer[connectError]
}

// Wrap makes a client with this configuration use its connections through others: they are ready for requests then,
// with TLS up and the client signed in. For a configuration by [Settings.Sarama], before a client is made of it.
func Wrap(c *sarama.Config, wrap func(net.Conn) net.Conn) {
	if d, ok := c.Net.Proxy.Dialer.(*dialer); ok {
		d.wrap = wrap
	}
}

func newDialer(s Settings, c *sarama.Config) (*dialer, error) {
	d := &dialer{settings: s, conf: *c}
	if !s.usesSASL() {
		return d, nil
	}
	d.conf.Net.SASL.Enable, d.conf.Net.SASL.Mechanism = true, s.mechanism()
	if s.mechanism() != oauthBearer {
		return d, nil
	}
	var err error
	d.tokens, err = s.tokens()
	return d, err
}

// connectError is a connection that could not be made. It hides what sarama would take for a refusal for good.
type connectError struct {
	addr string
	at   stage
	err  error
}

// stage is how far a connection came.
type stage string

const (
	reaching  stage = "reaching"
	handshake stage = "TLS handshake with"
	signingIn stage = "signing in at"
)

// Error names the address only: a broker chooses what the rest says. See Explain.
func (e *connectError) Error() string { return fmt.Sprintf("%s %s failed", e.at, e.addr) }

// Dial connects to one broker. sarama calls it for each new connection.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	conn, failed := d.dial(network, addr)
	d.last.Store(failed)
	if failed != nil {
		return nil, failed
	}
	if d.wrap != nil {
		conn = d.wrap(conn)
	}
	return conn, nil
}

func (d *dialer) dial(network, addr string) (net.Conn, *connectError) {
	conn, err := (&net.Dialer{Timeout: d.conf.Net.DialTimeout}).Dial(network, addr)
	if err != nil {
		return nil, &connectError{addr, reaching, err}
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.conf.Net.ReadTimeout)
	defer cancel()
	if d.settings.usesTLS() {
		secure, err := d.secure(ctx, conn, addr)
		if err != nil {
			_ = conn.Close() //nolint:errcheck // of no use any more
			return nil, &connectError{addr, handshake, err}
		}
		conn = secure
	}
	if d.settings.usesSASL() {
		if err := d.signIn(ctx, conn, addr); err != nil {
			_ = conn.Close() //nolint:errcheck // of no use any more
			return nil, &connectError{addr, signingIn, err}
		}
	}
	return conn, nil
}

func (d *dialer) secure(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	c, err := d.settings.tls()
	if err != nil {
		return nil, err
	}
	c.ServerName = host(addr)
	secure := tls.Client(conn, c)
	return secure, secure.HandshakeContext(ctx)
}

// signIn lends the connection to a broker of sarama's own, which does nothing with it but sign in.
func (d *dialer) signIn(ctx context.Context, conn net.Conn, addr string) error {
	c := d.conf
	if c.Net.SASL.Mechanism == oauthBearer {
		token, err := d.tokens(ctx)
		if err != nil {
			return err
		}
		c.Net.SASL.TokenProvider = bearer(token)
	} else {
		var err error
		if c.Net.SASL.User, c.Net.SASL.Password, err = d.settings.password(); err != nil {
			return err
		}
		c.Net.SASL.SCRAMClientGeneratorFunc = newConversation(c.Net.SASL.Mechanism)
	}
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, lent{conn}
	broker := sarama.NewBroker(addr)
	if err := broker.Open(&c); err != nil {
		return err
	}
	if _, err := broker.Connected(); err != nil {
		return err
	}
	return broker.Close()
}

// lent is a connection that survives its user.
type lent struct{ net.Conn }

// Dial gives the connection itself.
func (l lent) Dial(string, string) (net.Conn, error) { return l, nil }

// Close does nothing.
func (l lent) Close() error { return nil }

// LastFailure is why the latest connection of a client with this configuration could not be made; nil if it could.
// For [Settings.Explain], where sarama itself reports nothing because it goes on trying.
func LastFailure(c *sarama.Config) error {
	if d, ok := c.Net.Proxy.Dialer.(*dialer); ok {
		if failed := d.last.Load(); failed != nil {
			return failed
		}
	}
	return nil
}
