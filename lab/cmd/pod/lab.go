package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"kafka-e2ee/lab"
	"kafka-e2ee/lab/atomicfile"
	"kafka-e2ee/settings"
)

// options are the flags of pod lab.
type options struct {
	demo       lab.Config
	containers lab.Containers
	starterDir string
	check      bool
}

func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	flags.StringVar(&o.demo.Format, "format", "rsa", "first `format` of the records: rsa, envelope-unsigned, envelope or jwe")
	flags.StringVar(&o.demo.Scenario, "scenario", "", "first scenario of the confidential pod; the `name` help lists them (default good)")
	flags.StringVar(&o.demo.Data, "data", "", "what the producer sends first; `name` is msg or payments (default msg)")
	flags.StringVar(&o.demo.Message, "msg", "", "`text` of the data msg")
	flags.StringVar(&o.containers.Broker, "broker", "kafka:9092", "`HOST:PORT` of Kafka")
	flags.StringVar(&o.containers.PrivateDir, "private", "/keys/private", "`folder` that keeps the keys and the authority across restarts")
	flags.StringVar(&o.containers.PublicDir, "public", "/keys/public", "`folder` for what the pods need: public key, certificate, release policy, settings")
	flags.StringVar(&o.starterDir, "starter", "/starter", "`folder` for this program, which the pods' containers start")
	flags.IntVar(&o.containers.Published.Confidential, "port", 3333, "`port` of the confidential pod's page on the computer's loopback")
	flags.IntVar(&o.containers.Published.Ordinary, "ordinary-port", 3334, "`port` of the ordinary pod's page")
	flags.IntVar(&o.containers.Published.Console, "console-port", 3335, "`port` of the console")
	flags.IntVar(&o.containers.Published.Kafka, "kafka-port", 9094, "`port` of Kafka")
	flags.BoolVar(&o.containers.ViaGateway, "viewers-from-gateway", false, "let the console's viewers come from this network's gateway, too: only if its port is published on the\ncomputer's loopback alone")
	flags.BoolVar(&o.check, "check", false, "only check the choice of format, scenario and data")
	return flags
}

// serve runs the part of the demo that is not Kafka, and not the pods, until ctx ends.
func serve(ctx context.Context, args []string) error {
	o := options{containers: lab.Containers{Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil))}}
	program := settings.Program{
		Name: "pod lab", Version: version, Commit: commit,
		Does: "emulates the cloud, with a sidecar for the confidential pod, produces records, and serves the presenter's console.", ReadOn: "docs/containers.md, lab/README.md",
	}
	if err := program.Parse(o.flags(), args, os.Stdout); err != nil {
		return err
	}
	if o.check && o.demo.Scenario != "help" {
		return o.demo.Check()
	}
	if !o.check {
		if err := installStarter(o.starterDir); err != nil {
			return err
		}
		o.containers.Logger.WarnContext(ctx, "hardware, attestation and vault are emulated: nothing here protects anything")
	}
	o.demo.Containers = &o.containers
	return whileConnected(ctx, func(ctx context.Context) error { return lab.Run(ctx, o.demo, nil, os.Stdout) })
}

// installStarter copies this program to where the pods' containers start it.
func installStarter(dir string) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("installing the starter: %w", err)
	}
	return atomicfile.Write(filepath.Join(dir, "pod"), self, 0o755)
}
