package skrtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves a handler on one address, from which it can go away and to which it can come back, as a sidecar that
// starts late or is restarted.
type Server struct {
	handler http.Handler

	mu      sync.Mutex
	address string
	running *http.Server
	done    chan struct{}
}

// NewServer makes a server that does not listen yet. If the port of the address is 0, the first Start chooses one and
// keeps it.
func NewServer(handler http.Handler, address string) *Server {
	return &Server{handler: handler, address: address}
}

// Start listens. It does nothing if the server listens already.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listening as sidecar: %w", err)
	}
	s.address = listener.Addr().String()
	server, done := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}, make(chan struct{})
	s.running, s.done = server, done
	go func() {
		defer close(done)
		_ = server.Serve(listener) //nolint:errcheck // it ends with Stop, and a broken listener shows as a sidecar that is not there
	}()
	return nil
}

// Stop closes the listener and cuts every connection. It does nothing if the server does not listen.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	err := s.running.Close()
	<-s.done
	s.running = nil
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stopping sidecar: %w", err)
	}
	return nil
}

// URL is the base URL, with the chosen port after the first Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.address
}
