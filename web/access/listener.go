package access

import (
	"crypto/tls"
	"net"

	"golang.org/x/net/netutil"
)

const (
	maxConnections = 2048      // beside those of open streams
	sendBuffer     = 256 << 10 // bytes that the system holds for a connection
)

// Listener wraps the listener of the page at WEB_ADDR: with TLS if there is a certificate, and with a limit on open connections.
// Further connections wait until one ends.
func (g *Guard) Listener(l net.Listener) net.Listener {
	l = g.limited(l)
	if !g.TLS() {
		return l
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return g.credentials.Load().tls, nil
		},
	})
}

// limited limits the open connections, and what each holds.
func (g *Guard) limited(l net.Listener) net.Listener {
	return netutil.LimitListener(smallBuffers{l}, cap(g.streamSem)+maxConnections)
}

// smallBuffers limits what the system holds for a connection whose viewer reads nothing. By default these are
// megabytes, and they count as the pod's memory.
type smallBuffers struct{ net.Listener }

// Accept implements [net.Listener].
func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) //nolint:errcheck // the system's default stays, then
	}
	return conn, err
}
