// Package client passes a command's call from its own process to the stand-in. The scripts call thousands of commands in a
// test run, so their program imports nothing that takes long to start.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Call is one call of a command.
type Call struct {
	Name       string
	Args       []string
	Dir        string
	Kubeconfig string
}

func (c Call) String() string { return c.Name + " " + strings.Join(c.Args, " ") }

// Answer is a command's output and exit status.
type Answer struct {
	Out, Err string
	Code     int
}

// Ask passes the call of this process to the stand-in at a Unix socket.
func Ask(socket, kubeconfig string) (answer Answer, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return answer, err
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", socket)
	if err != nil {
		return answer, err
	}
	err = json.NewEncoder(conn).Encode(Call{Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Dir: dir, Kubeconfig: kubeconfig})
	if err == nil {
		err = json.NewDecoder(conn).Decode(&answer)
	}
	return answer, errors.Join(err, conn.Close())
}
