package e2e_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// weather is what a connection has to go through. The zero value is a good network.
type weather struct {
	cut   bool          // none is made, and none that was made lives on
	stall bool          // nothing moves, and nobody is told
	delay time.Duration // of each piece, each way
	reset float64       // chance that a piece is answered with a reset
}

// proxy stands before one server, and makes the weather. It is written here
// since the libraries for it bring a control server and a protocol of their own.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	now     weather
	changed chan struct{} // closed at the next change
	links   map[*net.TCPConn]bool
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, changed: make(chan struct{}), links: map[*net.TCPConn]bool{}}
	t.Cleanup(func() {
		listener.Close()
		p.set(weather{cut: true})
	})
	go p.accept()
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set changes the weather for all connections, also those that there are.
func (p *proxy) set(next weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = next
	close(p.changed)
	p.changed = make(chan struct{})
	if next.cut {
		for link := range p.links {
			reset(link)
		}
	}
}

func (p *proxy) weather() (weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

func (p *proxy) accept() {
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
func (p *proxy) join(client *net.TCPConn) {
	conn, err := net.Dial("tcp", p.target)
	server, ok := conn.(*net.TCPConn)
	if err != nil || !ok || !p.keep(client, server) {
		reset(client)
		return
	}
	defer p.drop(client, server)
	var both sync.WaitGroup
	both.Go(func() { p.pass(server, client) })
	both.Go(func() { p.pass(client, server) })
	both.Wait()
}

func (p *proxy) keep(links ...*net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, link := range links {
		if p.now.cut {
			reset(link)
		} else {
			p.links[link] = true
		}
	}
	return !p.now.cut
}

func (p *proxy) drop(links ...*net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, link := range links {
		delete(p.links, link)
		link.Close()
	}
}

// pass hands on one direction, piece by piece.
func (p *proxy) pass(to, from *net.TCPConn) {
	defer to.Close()
	defer from.Close()
	for piece := make([]byte, 64<<10); ; {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		now, changed := p.weather()
		for now.stall && !now.cut {
			<-changed
			now, changed = p.weather()
		}
		if rand.Float64() < now.reset {
			reset(from)
			reset(to)
			return
		}
		time.Sleep(now.delay)
		if _, err := to.Write(piece[:n]); err != nil {
			return
		}
	}
}

// reset closes without a goodbye: the other side sees "connection reset".
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) //nolint:errcheck // it may be closed
	conn.Close()
}
