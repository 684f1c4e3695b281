package settings

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// CheckListenAddr reports an error unless addr is an address to listen on: HOST:PORT, or :PORT for every interface.
// An empty address is an error: a program would listen on every interface, on a port that nobody knows.
func CheckListenAddr(variable, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil, host != "" && !isHost(host, addr):
		return Errorf(variable, "want HOST:PORT, or :PORT for every interface")
	case !isPort(port):
		return Errorf(variable, "want a port from 1 to 65535 after the last colon")
	}
	return nil
}

// CheckDialAddr reports an error unless addr is an address to connect to, HOST:PORT. The error does not hold addr.
func CheckDialAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case addr == "":
		return errors.New("is empty")
	case err != nil:
		return errors.New("is not HOST:PORT, with an IPv6 address in brackets")
	case !isHost(host, addr):
		return errors.New("has a host that is neither a name nor an IP address")
	case !isPort(port):
		return errors.New("has no port from 1 to 65535")
	}
	return nil
}

// isPort accepts numbers only: another machine may not know the name of a service.
func isPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number != 0
}

// isHost reports whether host, which is a part of addr, is a host name or an IP address. Brackets mean IPv6.
func isHost(host, addr string) bool {
	ip, err := netip.ParseAddr(host)
	if ip.Zone() != "" && !IsHostName(ip.Zone()+".zone") { // such as eth0
		return false
	}
	if strings.HasPrefix(addr, "[") {
		return err == nil && ip.Is6()
	}
	return err == nil || IsHostName(host)
}

// IsHostName reports whether host is a name by RFC 1123. Underscores are allowed, as in names of containers. A last
// label of digits is not: it would be a mistyped IP address.
func IsHostName(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label, allowed) != "" {
			return false
		}
	}
	return len(host) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// Listen listens on an address that passes [CheckListenAddr]. The error names the variable and says what to do.
func Listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	hint := "use a name or address of this machine, or :PORT"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program uses the port: choose another one"
	case errors.Is(err, os.ErrPermission):
		hint = "choose a port from 1024 up"
	}
	return nil, Errorf(variable, "%w (hint: %s)", err, hint)
}
