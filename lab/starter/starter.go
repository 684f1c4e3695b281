// Package starter runs a program of the real images with settings that the lab chooses, and starts it again when the lab
// chooses others:
//
//	err := starter.Order(dir, "confidential", environment)                    // in the lab
//	err := starter.Run(ctx, dir, "confidential", []string{"/consume"}) // in the pod's container, as its first process
//
// They share a folder, which the pod's container can only read. So the lab needs no right at the container engine: no
// socket, no other container's processes.
package starter

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"kafka-e2ee/lab/atomicfile"
)

const (
	lookEvery = 100 * time.Millisecond
	stopTime  = 20 * time.Second // for the program to end by itself
	maxOrder  = 64 << 10         // bytes
)

// order says how to run the program.
type order struct {
	ID          string            `json:"id"` // another one each time: a program starts again with the same settings, too
	Environment map[string]string `json:"environment"`
}

func orderFile(dir, pod string) string { return filepath.Join(dir, pod+"-pod.json") }

// Order makes the starter of a pod start its program, or start it again, with these environment variables beside the
// container's.
func Order(dir, pod string, environment map[string]string) error {
	text, err := json.Marshal(order{rand.Text(), environment})
	if err != nil {
		return fmt.Errorf("encoding the pod's settings: %w", err)
	}
	return atomicfile.Write(orderFile(dir, pod), text, 0o644)
}

// Run waits for an order, and runs the command as it says until ctx ends. A command that ends by itself is an error: the
// container's restart policy is for that.
func Run(ctx context.Context, dir, pod string, command []string) error {
	file := orderFile(dir, pod)
	for last := ""; ; {
		o, err := await(ctx, file, last)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // ended as told
		}
		if err != nil {
			return err
		}
		if err := run(ctx, file, o, command); err != nil {
			return err
		}
		last = o.ID
	}
}

// await waits for an order other than the last one.
func await(ctx context.Context, file, last string) (order, error) {
	for {
		o, err := read(file)
		if err != nil || o.ID != last {
			return o, err
		}
		select {
		case <-ctx.Done():
			return order{}, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// read returns the present order. Its ID is empty if there is none yet.
func read(file string) (order, error) {
	f, err := os.Open(file) //nolint:gosec // the container's command names it
	if errors.Is(err, fs.ErrNotExist) {
		return order{}, nil
	}
	if err != nil {
		return order{}, fmt.Errorf("reading the pod's settings: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var o order
	if err := json.NewDecoder(io.LimitReader(f, maxOrder)).Decode(&o); err != nil || o.ID == "" {
		return order{}, fmt.Errorf("reading the pod's settings: %s is not an order of the lab", filepath.Base(file))
	}
	return o, nil
}

// run runs the command until there is another order, or ctx ends.
func run(ctx context.Context, file string, o order, command []string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	program := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the container's command names it
	program.Env = os.Environ()
	for name, value := range o.Environment {
		program.Env = append(program.Env, name+"="+value)
	}
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = stopTime
	go func() {
		_, _ = await(ctx, file, o.ID) //nolint:errcheck // Run reads it again
		stop()
	}()
	err := program.Run()
	if ctx.Err() != nil { // it was told to end
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%s ended by itself: %w", command[0], err)
}
