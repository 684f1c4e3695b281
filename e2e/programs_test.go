package e2e_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// build builds one of the programs, once.
func build(t testing.TB, name string) string {
	t.Helper()
	out, err := filepath.Abs(filepath.Join("../.cache/e2e", name))
	if err != nil {
		t.Fatal(err)
	}
	building.Lock()
	defer building.Unlock()
	if built[name] {
		return out
	}
	cmd := exec.Command("go", "build", "-o", out, "kafka-e2ee/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, text)
	}
	built[name] = true
	return out
}

var (
	building sync.Mutex
	built    = map[string]bool{}
)

// process is a program that runs.
type process struct {
	*exec.Cmd
	t    testing.TB
	log  *buffer
	done chan struct{} // closed when it has ended
}

// start runs one of the built programs with the given settings and no others.
func start(t testing.TB, name string, in io.Reader, settings ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(build(t, name)), t: t, log: new(buffer), done: make(chan struct{})}
	if in != nil {
		p.Args = append(p.Args, "-stdin")
	}
	p.Env, p.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, settings...), p.log
	p.Stdin = in
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait() //nolint:errcheck // its outcome is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		noSecrets(t, "the log of "+name, p.log.String())
	})
	return p
}

// kill ends it as the kernel does when memory is short: it gets to do nothing any more.
func (p *process) kill() {
	_ = p.Process.Kill() //nolint:errcheck // it may have ended
	<-p.done
}

// end asks it to end, and waits.
func (p *process) end() {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	p.ended()
}

// ended waits for its end, which must be a good one.
func (p *process) ended() {
	p.t.Helper()
	<-p.done
	if code := p.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("%s ended with status %d: %s", filepath.Base(p.Path), code, p.log)
	}
}

// startConsumer runs the built consumer, and gives its pages and metrics.
func startConsumer(t testing.TB, c cluster, sidecar string, settings ...string) (*pod, *process) {
	t.Helper()
	page, metrics := freeAddr(t), freeAddr(t)
	process := start(t, "consume", nil, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + topic, "CONSUMERGROUP=group",
		"SkrClientKID=" + keyName, "SkrClientMAAEndpoint=attestation.example", "SkrClientAKVEndpoint=vault.example", "SKR_URL=" + sidecar,
		"WEB_ADDR=" + page, "METRICS_ADDR=" + metrics,
	}, settings...)...)
	p := &pod{t: t, page: "http://" + page, metrics: "http://" + metrics, log: process.log, stop: process.end}
	t.Cleanup(p.leakless)
	p.wait("the page is served", func() bool { return p.get(p.page+"/api/key") != nil })
	return p, process
}

// startProducer runs the built producer on lines.
func startProducer(t testing.TB, c cluster, publicKey string, in io.Reader, settings ...string) *process {
	t.Helper()
	if in == nil {
		in = new(bytes.Reader)
	}
	return start(t, "produce", in, append([]string{
		"BROKERS=" + strings.Join(c.ListenAddrs(), ","), "TOPIC=" + topic, "PUBKEY=" + publicKey, "METRICS_ADDR=",
	}, settings...)...)
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}
