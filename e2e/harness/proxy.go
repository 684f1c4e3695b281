package harness

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Network is the state of the network between a client and a server. The zero value is a good network.
type Network struct {
	Cut   bool          // connections are reset and refused
	Stall bool          // data stops, and connections stay open
	Delay time.Duration // of each piece, each way
	Reset float64       // chance that a piece is answered with a reset
}

// Proxy stands before one server and simulates a Network. The libraries for it bring a control server and a protocol of
// their own.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	network Network
	changed chan struct{} // closed at the next change
	links   map[*net.TCPConn]bool
}

// StartProxy starts a proxy before the server at target.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target, changed: make(chan struct{}), links: map[*net.TCPConn]bool{}}
	t.Cleanup(func() {
		listener.Close()
		p.Set(Network{Cut: true})
	})
	go p.accept()
	return p
}

// Addr returns the address that clients use.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes the network of all connections, existing ones included.
func (p *Proxy) Set(next Network) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network = next
	close(p.changed)
	p.changed = make(chan struct{})
	if next.Cut {
		for link := range p.links {
			reset(link)
		}
	}
}

func (p *Proxy) current() (Network, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.network, p.changed
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		if client, ok := conn.(*net.TCPConn); ok {
			go p.join(client)
		}
	}
}

// join connects the client to the target until either ends.
func (p *Proxy) join(client *net.TCPConn) {
	conn, err := net.Dial("tcp", p.target)
	server, ok := conn.(*net.TCPConn)
	if err != nil || !ok || !p.keep(client, server) {
		reset(client)
		return
	}
	defer p.drop(client, server)
	var both sync.WaitGroup
	both.Go(func() { p.forward(server, client) })
	both.Go(func() { p.forward(client, server) })
	both.Wait()
}

func (p *Proxy) keep(links ...*net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, link := range links {
		if p.network.Cut {
			reset(link)
		} else {
			p.links[link] = true
		}
	}
	return !p.network.Cut
}

func (p *Proxy) drop(links ...*net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, link := range links {
		delete(p.links, link)
		link.Close()
	}
}

// forward copies one direction, piece by piece.
func (p *Proxy) forward(to, from *net.TCPConn) {
	defer to.Close()
	defer from.Close()
	for piece := make([]byte, 64<<10); ; {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		now, changed := p.current()
		for now.Stall && !now.Cut {
			<-changed
			now, changed = p.current()
		}
		if rand.Float64() < now.Reset {
			reset(from)
			reset(to)
			return
		}
		time.Sleep(now.Delay)
		if _, err := to.Write(piece[:n]); err != nil {
			return
		}
	}
}

// reset closes the connection so that the other side sees "connection reset".
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) //nolint:errcheck // it may be closed
	conn.Close()
}
