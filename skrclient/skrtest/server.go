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

// Server serves a handler on one address. It can stop and restart there, like a sidecar that starts late or restarts.
type Server struct {
	handler http.Handler

	mu      sync.Mutex
	address string
	running *http.Server
	done    chan struct{}
}

// NewServer makes a server. It listens after Start. If the port of the address is 0, the first Start chooses one for good.
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
		_ = server.Serve(listener) //nolint:errcheck // it ends with Stop; a broken listener looks like an absent sidecar
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

// URL returns the base URL, with the chosen port after the first Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.address
}
