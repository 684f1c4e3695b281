package kafkaconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// CheckAddr reports text that is not an address to listen on. The error starts with the variable's name and does not
// hold its value. An empty address is one too: it would be a port that nobody knows, on every interface.
func CheckAddr(variable, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || strings.ContainsAny(host, " /") {
		return fmt.Errorf("%s: want HOST:PORT, or :PORT for every interface", variable)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("%s: want a port from 1 to 65535 after the last colon", variable)
	}
	return nil
}

// Listen opens an address that CheckAddr has found to be one. The error names the variable and says what to do.
func Listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	hint := "want a name or address of this machine, or none"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program has the port: choose another one"
	case errors.Is(err, os.ErrPermission):
		hint = "choose a port from 1024 up"
	}
	return nil, fmt.Errorf("%s: %w (hint: %s)", variable, err, hint)
}

// Value reads one string variable of the struct that cfg points to, as [Load] would: for a caller that needs no other.
// It returns the empty string for a variable that the struct does not have.
func Value(cfg any, variable string, lookup func(string) (string, bool)) string {
	if text, set := lookup(variable); set {
		return text
	}
	target, err := structOf(cfg)
	if err != nil {
		return ""
	}
	for _, field := range fields(target) {
		if field.name == variable {
			return field.fallback
		}
	}
	return ""
}
