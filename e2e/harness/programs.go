package harness

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Build builds one of the programs, once in each process. Packages that run side by side build one after the other, and
// the later ones find the work done.
func Build(t testing.TB, name string) string { return BuildCommand(t, "kafka-e2ee/cmd/"+name) }

// BuildCommand builds a command of the workspace.
func BuildCommand(t testing.TB, command string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	out := Path(t, ".cache/e2e/"+path.Base(command))
	if built[command] {
		return out
	}
	defer Lock(t, "build")()
	cmd := exec.Command("go", "build", "-o", out, command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as in the images
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", command, err, text)
	}
	built[command] = true
	return out
}

var (
	building sync.Mutex
	built    = map[string]bool{}
)

// WritePrograms calls write, which writes programs that the test runs. No other process starts meanwhile: it would hold
// their files open for a moment, and the system runs no file that is open for writing ("text file busy").
func WritePrograms(t testing.TB, write func() error) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := write(); err != nil {
		t.Fatal(err)
	}
}

// Process is one running program.
type Process struct {
	*exec.Cmd
	t    testing.TB
	Log  *LogBuffer
	Done chan struct{} // closed at its end
}

// Start runs one of the built programs with the given settings and no others.
func Start(t testing.TB, name string, in io.Reader, settings ...string) *Process {
	t.Helper()
	return StartCommand(t, "kafka-e2ee/cmd/"+name, in, settings...)
}

// StartCommand is Start for any command of the workspace.
func StartCommand(t testing.TB, command string, in io.Reader, settings ...string) *Process {
	t.Helper()
	p := &Process{Cmd: exec.Command(BuildCommand(t, command)), t: t, Log: new(LogBuffer), Done: make(chan struct{})}
	if in != nil {
		p.Args = append(p.Args, "-stdin")
	}
	p.Env, p.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, settings...), p.Log
	p.Stdin = in
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait() //nolint:errcheck // the result is in ProcessState
		close(p.Done)
	}()
	t.Cleanup(func() {
		p.Kill()
		NoSecrets(t, "the log of "+path.Base(command), p.Log.String())
	})
	return p
}

// Kill ends the program at once, as the kernel does when memory is short.
func (p *Process) Kill() {
	_ = p.Process.Kill() //nolint:errcheck // it may have ended
	<-p.Done
}

// Stop sends SIGTERM and waits for a good end.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	p.WaitExit()
}

// WaitExit waits until the program ends, which it must do with status 0.
func (p *Process) WaitExit() {
	p.t.Helper()
	<-p.Done
	if code := p.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("%s ended with status %d: %s", filepath.Base(p.Path), code, p.Log)
	}
}

// StartConsumer runs the built consumer, and waits until its page is served.
func StartConsumer(t testing.TB, c Cluster, sidecar string, settings ...string) (*Pod, *Process) {
	t.Helper()
	page, metrics := FreeAddr(t), FreeAddr(t)
	process := Start(t, "consume", nil, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + Topic, "CONSUMERGROUP=group",
		"SkrClientKID=" + KeyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL=" + sidecar,
		"WEB_ADDR=" + page, "METRICS_ADDR=" + metrics,
	}, settings...)...)
	p := &Pod{T: t, Page: "http://" + page, Metrics: "http://" + metrics, Log: process.Log, Stop: process.Stop}
	p.ready()
	return p, process
}

// StartProducer runs the built producer on the lines of in.
func StartProducer(t testing.TB, c Cluster, publicKey string, in io.Reader, settings ...string) *Process {
	t.Helper()
	if in == nil {
		in = new(bytes.Reader)
	}
	return Start(t, "produce", in, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + Topic, "PUBKEY=" + publicKey, "METRICS_ADDR=",
	}, settings...)...)
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Alive reports whether the program runs.
func (p *Process) Alive() bool {
	select {
	case <-p.Done:
		return false
	default:
		return true
	}
}
