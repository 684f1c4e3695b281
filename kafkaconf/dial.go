package kafkaconf

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// dialer opens connections on which the TLS handshake and the sign-in are done, with the current content of the files.
// sarama alone would use one password forever, and give up on records while the password is refused.
type dialer struct {
	settings    Settings
	conf        sarama.Config // for signing in
	tokens      tokenSource   // for OAUTHBEARER
	wrap        func(net.Conn) net.Conn
	lastFailure atomic.Pointer[connectError]
}

// errForeign means that this package does not open the connections of a configuration.
var errForeign = errors.New("the Kafka configuration is not by Settings.Sarama")

// dialerOf returns the dialer of a configuration.
func dialerOf(c *sarama.Config) (*dialer, error) {
	d, ok := c.Net.Proxy.Dialer.(*dialer)
	if !ok || !c.Net.Proxy.Enable {
		return nil, errForeign
	}
	return d, nil
}

// Wrap makes clients with this configuration use wrap's connections. wrap gets each connection when it is ready for
// requests, after the TLS handshake and the sign-in. Call Wrap before you make a client. It returns an error if the
// configuration is not by [Settings.Sarama] or is wrapped already; do not make a client then.
func Wrap(c *sarama.Config, wrap func(net.Conn) net.Conn) error {
	d, err := dialerOf(c)
	switch {
	case err != nil:
		return fmt.Errorf("wrapping connections to Kafka: %w", err)
	case wrap == nil:
		return errors.New("wrapping connections to Kafka: got no wrapper")
	case d.wrap != nil:
		return errors.New("wrapping connections to Kafka: they are wrapped already")
	}
	d.wrap = wrap
	return nil
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

// connectError is the failure of a step. It has no Unwrap, so that sarama keeps retrying whatever the cause is.
type connectError struct {
	addr string
	step step
	err  error
}

// step is a step of opening a connection.
type step string

const (
	connecting step = "reaching"
	handshake  step = "TLS handshake with"
	signingIn  step = "signing in at"
)

// Error returns the step and the address. It omits the cause, whose text a broker may have chosen; see [Settings.Explain].
func (e *connectError) Error() string { return fmt.Sprintf("%s %s failed", e.step, e.addr) }

// Dial connects to one broker. sarama calls it for each new connection.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	conn, failed := d.dial(network, addr)
	d.lastFailure.Store(failed)
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
		return nil, &connectError{addr, connecting, err}
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.conf.Net.ReadTimeout)
	defer cancel()
	if d.settings.usesTLS() {
		tlsConn, err := d.startTLS(ctx, conn, addr)
		if err != nil {
			_ = conn.Close() //nolint:errcheck // the connection is unusable
			return nil, &connectError{addr, handshake, err}
		}
		conn = tlsConn
	}
	if d.settings.usesSASL() {
		lifetime, err := d.signIn(ctx, conn, addr)
		if err != nil {
			_ = conn.Close() //nolint:errcheck // the connection is unusable
			return nil, &connectError{addr, signingIn, err}
		}
		if lifetime > 0 {
			conn = newReauthConn(conn, lifetime, d.conf.Net.ReadTimeout, func(conn net.Conn) (time.Duration, error) { return d.signInAgain(conn, addr) })
		}
	}
	return conn, nil
}

func (d *dialer) startTLS(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	c, err := d.settings.tls()
	if err != nil {
		return nil, err
	}
	c.ServerName = hostOf(addr)
	tlsConn := tls.Client(conn, c)
	return tlsConn, tlsConn.HandshakeContext(ctx)
}

// signInAgain signs in on a connection that is in use.
func (d *dialer) signInAgain(conn net.Conn, addr string) (lifetime time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.conf.Net.ReadTimeout)
	defer cancel()
	if lifetime, err = d.signIn(ctx, conn, addr); err != nil {
		failed := &connectError{addr, signingIn, err}
		d.lastFailure.Store(failed)
		return 0, failed
	}
	return lifetime, nil
}

// signIn lets a temporary sarama.Broker sign in on the connection. It returns how long the client stays signed in; 0
// means without limit.
func (d *dialer) signIn(ctx context.Context, conn net.Conn, addr string) (lifetime time.Duration, err error) {
	c := d.conf
	if c.Net.SASL.Mechanism == oauthBearer {
		token, err := d.tokens(ctx)
		if err != nil {
			return 0, err
		}
		c.Net.SASL.TokenProvider = bearerToken(token)
	} else {
		if c.Net.SASL.User, c.Net.SASL.Password, err = d.settings.password(); err != nil {
			return 0, err
		}
		c.Net.SASL.SCRAMClientGeneratorFunc = newSCRAM(c.Net.SASL.Mechanism)
	}
	observed := observeLifetime(conn, func(d time.Duration) { lifetime = d })
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, borrowedConn{observed}
	broker := sarama.NewBroker(addr)
	if err := broker.Open(&c); err != nil {
		return 0, err
	}
	if _, err := broker.Connected(); err != nil {
		return 0, err
	}
	err = broker.Close()
	return lifetime, err
}

// borrowedConn is a connection that its user cannot close.
type borrowedConn struct{ net.Conn }

func (c borrowedConn) Dial(string, string) (net.Conn, error) { return c, nil }
func (c borrowedConn) Close() error                          { return nil }

// LastFailure returns why the latest attempt to connect failed, or nil if it succeeded. Pass it to [Settings.Explain]:
// sarama reports nothing while it retries. For a configuration that is not by [Settings.Sarama] it returns an error.
func LastFailure(c *sarama.Config) error {
	d, err := dialerOf(c)
	if err != nil {
		return err
	}
	if failed := d.lastFailure.Load(); failed != nil {
		return failed
	}
	return nil
}
