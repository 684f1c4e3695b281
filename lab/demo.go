package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/lab/broker"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/messages"
	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/lab/terminal"
	"kafka-e2ee/lab/timeline"
)

// demo is the running demo. Broker, cloud and key stay for all of it; pods and producers are replaced when somebody
// chooses something else.
type demo struct {
	ctx     context.Context //nolint:containedctx // ends with the demo, and with it every part
	stop    context.CancelCauseFunc
	running sync.WaitGroup // the parts

	log     *slog.Logger
	logFile *os.File
	out     io.Writer // the terminal
	after   func(time.Duration) <-chan time.Time
	message string
	addrs   addresses
	shown   console.Addresses // to the viewers
	dir     string            // for the pods' files
	signing string            // folder of the producer's signing key

	containers *Containers // nil: the pods are in this process

	broker   *kfake.Cluster   // nil: Kafka is borrowed
	borrowed *broker.Borrowed // nil: the broker is embedded
	kafka    kafkaconf.Settings
	topic    string
	env      *env.Environment
	trusted  string // whom the pods trust as senders
	stored   *messages.Stored
	observed *observed
	timeline *timeline.Timeline
	lines    terminal.Lines
	limit    *messages.Limit
	pod      *podapi.Client // the confidential one

	changing  chan struct{} // held while parts are replaced, or attacked
	events    []*part       // of the scenario
	replaced  []*part       // the pods, and what else belongs to the scenario
	producing []*part       // what the producer sends by itself
	typing    []*part       // what a person types

	mu       sync.Mutex
	current  choice
	play     *play
	switched *console.Switch  // of the format; nil: none yet
	attacked console.Attacked // the last one
}

func newDemo(ctx context.Context, stop context.CancelCauseFunc, cfg Config, addrs addresses, out io.Writer) *demo {
	return &demo{
		ctx: ctx, stop: stop, out: out, after: cfg.After, message: cfg.Message, addrs: addrs, containers: cfg.Containers,
		changing: make(chan struct{}, 1), stored: messages.NewStored(), observed: newObserved(),
		pod: podapi.New(addrs.confidential, addrs.confidential),
	}
}

// open starts what stays. Without an address of a broker, it starts one.
func (d *demo) open(broker string) (err error) {
	settings := env.Config{AttestationHost: d.addrs.maa, VaultHost: env.VaultHost, Listen: d.addrs.maa, SidecarAddr: "127.0.0.1:0"}
	if c := d.containers; c != nil {
		settings.SidecarAddr, settings.PrivateDir = sidecarAddr, c.PrivateDir
		err = d.openContainers()
	} else {
		err = d.openHere(broker)
	}
	if err != nil {
		return err
	}
	d.limit = messages.NewLimit(d.topic, filepath.Join(d.dir, env.PublicKeyFile))
	d.timeline = timeline.New(env.KeyName, d.roles)
	settings.PublicDir, settings.OnStep, settings.OnPolicy, settings.Logger = d.dir, d.timeline.OnStep, d.timeline.OnPolicy, d.log.With(slog.String("part", "cloud"))
	d.env, err = env.New(d.ctx, settings)
	return err
}

// openHere opens what the demo needs in this process, beside the cloud.
func (d *demo) openHere(broker string) (err error) {
	if d.logFile, err = os.CreateTemp("", "kafka-e2ee-lab-*.log"); err != nil {
		return fmt.Errorf("creating the log file: %w", err)
	}
	d.log = slog.New(slog.NewJSONHandler(d.logFile, nil))
	if d.dir, err = os.MkdirTemp("", "kafka-e2ee-lab-*"); err != nil {
		return fmt.Errorf("creating a folder for the pods' files: %w", err)
	}
	d.signing = d.dir
	if err := d.openKafka(broker); err != nil {
		return err
	}
	if d.trusted, err = d.newSandbox(); err != nil {
		return err
	}
	a := d.addrs
	d.shown = console.Addresses{
		Console: a.console, Confidential: a.confidential, Ordinary: a.ordinary, Attested: a.attested,
		Broker: d.kafka.Brokers[0], Topic: d.topic, Folder: d.dir, Verify: verifyCommand(d.dir, a.attested), Sandbox: sandboxCommand(d.dir),
		Metrics: []console.Metrics{{Program: "confidential", Address: a.metrics.confidential}, {Program: "ordinary", Address: a.metrics.ordinary}, {Program: "producer", Address: a.metrics.producer}},
		Inside:  d.inside(),
	}
	return nil
}

// openContainers opens what the demo needs beside the cloud if Kafka and the pods run in containers.
func (d *demo) openContainers() error {
	c := d.containers
	d.log, d.dir, d.signing = c.Logger, c.PublicDir, c.PrivateDir
	d.kafka, d.topic = kafkaconf.Settings{Brokers: []string{c.Broker}}, broker.Topic
	sender, err := env.NewSender(d.signing, env.SigningKeyFile, env.SenderName)
	if err != nil {
		return err
	}
	d.trusted = sender.Trusted
	d.shown, err = c.addresses(d.inside())
	return err
}

func (d *demo) inside() console.Inside {
	return console.Inside{Console: d.addrs.console, Confidential: d.addrs.confidential, Ordinary: d.addrs.ordinary, Broker: d.kafka.Brokers[0]}
}

func (d *demo) openKafka(addr string) (err error) {
	if addr != "" {
		if d.borrowed, err = broker.Borrow(d.ctx, addr); err != nil {
			return err
		}
		d.kafka, d.topic = kafkaconf.Settings{Brokers: []string{addr}}, d.borrowed.Topic
		return nil
	}
	if d.broker, err = broker.Start(); err != nil {
		return err
	}
	d.kafka, d.topic = kafkaconf.Settings{Brokers: d.broker.ListenAddrs()}, broker.Topic
	return nil
}

// close ends every part, and removes everything but the log. It may be called after a failed open, and once.
func (d *demo) close() {
	d.stop(nil)
	d.changing <- struct{}{} // for good: a change that has begun ends first, and none begins any more
	d.running.Wait()
	d.pod.Close()
	if d.env != nil {
		_ = d.env.Close() //nolint:errcheck // the process ends next
	}
	if d.broker != nil {
		d.broker.Close()
	}
	if d.borrowed != nil {
		if err := d.borrowed.GiveBack(d.ctx, confidentialName, ordinaryName); err != nil {
			fmt.Fprintf(d.out, "  %v\n", err) //nolint:errcheck // a closed terminal is not our failure
		}
	}
	if d.dir != "" && d.containers == nil {
		_ = os.RemoveAll(d.dir) //nolint:errcheck // the files protect nothing
	}
	if d.logFile != nil {
		_ = d.logFile.Close() //nolint:errcheck // a lost last log line does no harm
	}
}

// part is a goroutine of the demo that can end alone.
type part struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// start runs a part until it is ended, or the demo. Its error ends the demo.
func (d *demo) start(name string, run func(context.Context, *slog.Logger) error) *part {
	ctx, cancel := context.WithCancel(d.ctx)
	p := &part{cancel: cancel, ended: make(chan struct{})}
	d.running.Go(func() {
		defer close(p.ended)
		if err := run(ctx, d.log.With(slog.String("part", name))); err != nil && ctx.Err() == nil {
			d.stop(fmt.Errorf("%s: %w", name, err))
		}
	})
	return p
}

// end ends parts and waits for them.
func end(parts []*part) {
	for _, p := range parts {
		p.cancel()
	}
	for _, p := range parts {
		<-p.ended
	}
}

// lock fails when ctx or the demo has ended. Callers are not parts, so the demo does not wait for them: what they start
// after its end would never end.
func (d *demo) lock(ctx context.Context) error {
	select {
	case d.changing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.ctx.Done():
		return errEnded
	}
	if d.ctx.Err() != nil {
		d.unlock()
		return errEnded
	}
	return nil
}

var errEnded = errors.New("the demo has ended")

func (d *demo) unlock() { <-d.changing }

// Addresses returns where the parts of the demo are.
func (d *demo) Addresses() console.Addresses { return d.shown }

// Keys returns the ids of the keys that the confidential pod holds, the newest first.
func (d *demo) Keys() (ids []string) {
	for _, held := range d.timeline.Pod().Held {
		ids = append(ids, held.ID)
	}
	return ids
}

// Released returns when the pod's keys were released, and last released again, as its own page says.
func (d *demo) Released() (since, again time.Time, ok bool) {
	pod := d.timeline.Pod()
	return pod.Since, pod.Confirmed, pod.State == podReleased
}

// Timeline returns the steps of the newest key release.
func (d *demo) Timeline() []console.Step { return d.timeline.Steps() }
