package skrclient

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
)

// resolves makes a resolver for which every name has the given IPv4 addresses.
func resolves(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			if _, err := server.WriteTo(dnsResponse(query[:n], addresses), from); err != nil {
				return
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp4", server.LocalAddr().String())
	}}
}

// dnsResponse answers a query (RFC 1035 section 4) with the addresses, or with none if its type is not A.
func dnsResponse(query []byte, addresses []string) []byte {
	end := 12
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	question := query[12 : end+5]
	if binary.BigEndian.Uint16(query[end+1:]) != 1 {
		addresses = nil
	}
	response := slices.Concat(query[:2], []byte{0x81, 0x80, 0, 1, 0, byte(len(addresses)), 0, 0, 0, 0}, question)
	for _, address := range addresses {
		ip := netip.MustParseAddr(address).As4()
		response = append(response, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		response = append(response, ip[:]...)
	}
	return response
}

// A user would lose the access token and the key to another machine if the name localhost led there, so the address
// decides, not the name. Linux connects 0.0.0.0, which is not loopback, to this machine, so the server of this test would
// see a misdirected request.
func TestOnlyLoopbackIsConnected(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		host      string
		addresses []string
		reached   bool
	}{
		"an address elsewhere":       {"0.0.0.0", nil, false},
		"the same in IPv6":           {"[::]", nil, false},
		"mapped into IPv6":           {"[::ffff:0.0.0.0]", nil, false},
		"a name, elsewhere":          {"sidecar.example", []string{"0.0.0.0"}, false},
		"a name, both":               {"sidecar.example", []string{"0.0.0.0", "127.0.0.1"}, true},
		"a name, both, other order":  {"sidecar.example", []string{"127.0.0.1", "0.0.0.0"}, true},
		"a name, loopback":           {"sidecar.example", []string{"127.0.0.1"}, true},
		"a loopback address":         {"127.0.0.1", nil, true},
		"loopback, mapped into IPv6": {"[::ffff:127.0.0.1]", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, absent := range []Cause{CauseNoAnswer, CauseNoHub} {
				client, err := newLoopbackClient("http://localhost", DefaultTimeout, connectionCauses{refused: absent}, newLoopbackTransport(resolves(t, test.addresses...)))
				if err != nil {
					t.Fatal(err)
				}
				client.base.Host = test.host + ":" + port // past the check of the setting
				before := requests.Load()
				_, err = send(t.Context(), client, call{method: http.MethodPost, path: "key/release", body: []byte("token")}, func(int, []byte) (int, *Error) { return 0, nil })
				if arrived := requests.Load() > before; arrived != test.reached {
					t.Fatalf("the request arrived: %v, want %v (error %v)", arrived, test.reached, err)
				}
				if test.reached {
					continue
				}
				failure, ok := errors.AsType[*Error](err)
				if !ok || failure.Kind != KindUnreachable || failure.Cause != CauseNotLoopback || failure.Hint() == "" {
					t.Errorf("got %v, want unreachable, since the address is not on loopback", err)
				}
				if got := (KeyState{}).stateAfter(failure); got != StateUnreachable {
					t.Errorf("got state %s", got)
				}
			}
		})
	}
}

// A user would lose the key if the default transport differed from the one tested above.
func TestDefaultTransportIsLoopback(t *testing.T) {
	client, err := New(Config{URL: "http://localhost:8080"})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := NewHub(HubConfig{URL: "http://127.0.0.1:8006"})
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]*loopbackClient{"sidecar": client.sidecar, "data hub": hub.hub} {
		transport, ok := to.http.Transport.(*http.Transport)
		if !ok || transport.Proxy != nil || to.http.CheckRedirect == nil {
			t.Fatalf("%s: got %+v", name, to.http)
		}
		if _, err := transport.DialContext(t.Context(), "tcp", "0.0.0.0:9"); !errors.Is(err, errNotLoopback) {
			t.Errorf("%s: got error %v, want the address refused", name, err)
		}
	}
}
