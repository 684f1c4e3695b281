package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/settings"
	"kafka-e2ee/skrclient"
)

const usage = `lab runs the whole demo on this computer, or the emulated cloud alone. Nothing in it protects anything.

Usage: lab [options]               run the demo: a Kafka broker, an emulated cloud, the producer, the consumer twice
       lab -cloud-only [options]   serve only the emulated cloud, for other programs
       lab -version                print version, commit and Go version
`

// options are the flags.
type options struct {
	demo      lab.Config
	cloudOnly bool
	version   bool
	cloud     cloud.Config
	names     string // further names in the cloud's certificate, separated by commas
	caFile    string
}

func (o *options) demoFlags(flags *flag.FlagSet) {
	flags.IntVar(&o.demo.Port, "port", 3333, "`port` of the confidential pod's page; the ordinary pod's is the next one, the console's 2 higher, the\nattested address's 10 higher")
	flags.StringVar(&o.demo.Format, "format", string(envelope.FormatRSA), "`format` of the records: rsa, envelope-unsigned (no signatures, no policy), envelope (signed, and the pods are\nstrict) or jwe")
	flags.StringVar(&o.demo.Scenario, "scenario", "", "what happens to the confidential pod first; `name` is good, tampered, debug, no-role, late, rotate,\nthrottled, impostor or ordinary, or help, which lists them (default good)")
	flags.StringVar(&o.demo.Data, "data", "", "what the producer sends by itself; `name` is msg or payments (default msg)")
	flags.StringVar(&o.demo.Broker, "broker", "", "`HOST:PORT` of a Kafka on this computer, as make up starts it: the demo has a topic of its own there,\nwhich it deletes at its end (default: an embedded one)")
}

func (o *options) cloudFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.cloud.Listen, "listen", "127.0.0.1:8443", "HTTPS `address` of the attestation service and the vault")
	flags.StringVar(&o.cloud.ListenMetadata, "listen-metadata", "127.0.0.1:8180", "HTTP `address` of the hardware's certificates and the identities")
	flags.StringVar(&o.cloud.AttestationHost, "attestation-host", "attestation.lab.example", "host `name` of the attestation service")
	flags.StringVar(&o.cloud.VaultHost, "vault-host", "vault.lab.example", "host `name` of the vault")
	flags.StringVar(&o.names, "names", "localhost,127.0.0.1", "further host `names` and addresses for the certificate, separated by commas")
	flags.StringVar(&o.caFile, "ca-file", "lab-ca.pem", "`file` for the certificate that clients must trust")
	flags.BoolVar(&o.cloud.DangerouslyAcceptAnyReport, "dangerously-accept-any-report", false, "believe reports that no hardware signed: any client can then claim to be any workload")
	flags.BoolVar(&o.cloud.DangerouslyAllowAnyWorkload, "dangerously-allow-any-workload", false, "accept release policies without a measurement: every confidential workload can get such a key")
}

// parse reads and checks the command line. If the usage or the version is asked for, it
// writes that to out and returns flag.ErrHelp.
func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := o.flagSet()
	flags.SetOutput(io.Discard) // the caller prints the error
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.Usage()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w (hint: lab -h)", err)
	}
	if o.version {
		fmt.Fprintln(out, settings.VersionLine("lab", version, commit)) //nolint:errcheck // a closed terminal is not our failure
		return o, flag.ErrHelp
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("got the argument %q, want options only (hint: lab -h)", flags.Arg(0))
	}
	if err := o.check(); err != nil {
		return o, fmt.Errorf("%w (hint: lab -h)", err)
	}
	return o, nil
}

// flagSet does not use the default flag set: a library adds flags to that one.
func (o *options) flagSet() *flag.FlagSet {
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	flags.BoolVar(&o.cloudOnly, "cloud-only", false, "")
	flags.BoolVar(&o.version, "version", false, "")
	o.demoFlags(flags)
	o.cloudFlags(flags)
	flags.Usage = func() {
		out := flags.Output()
		fmt.Fprint(out, usage) //nolint:errcheck // a closed terminal is not our failure
		for _, part := range []struct {
			title string
			add   func(*flag.FlagSet)
		}{{"the demo", o.demoFlags}, {"-cloud-only", o.cloudFlags}} {
			shown := flag.NewFlagSet("", flag.ContinueOnError)
			shown.SetOutput(out)
			part.add(shown)
			fmt.Fprintf(out, "\nOptions of %s:\n", part.title) //nolint:errcheck // see above
			shown.PrintDefaults()
		}
		fmt.Fprint(out, "\nRead on: lab/README.md, docs/demo.md\n") //nolint:errcheck // see above
	}
	return flags
}

// check validates the names and addresses, and splits the list of names.
func (o *options) check() error {
	for name := range strings.SplitSeq(o.names, ",") {
		name = strings.TrimSpace(name)
		if _, err := netip.ParseAddr(name); err != nil && skrclient.CheckEndpoint(name) != nil {
			return errors.New("-names: want host names and addresses, separated by commas")
		}
		o.cloud.Names = append(o.cloud.Names, name)
	}
	for _, host := range []struct{ flag, value string }{{"-attestation-host", o.cloud.AttestationHost}, {"-vault-host", o.cloud.VaultHost}} {
		if err := skrclient.CheckEndpoint(host.value); err != nil {
			return fmt.Errorf("%s: %w", host.flag, err)
		}
	}
	for _, listen := range []struct{ flag, value string }{{"-listen", o.cloud.Listen}, {"-listen-metadata", o.cloud.ListenMetadata}} {
		if host, port, err := net.SplitHostPort(listen.value); err != nil || port != "0" && settings.CheckListenAddr(listen.flag, net.JoinHostPort(host, port)) != nil {
			return fmt.Errorf("%s: want HOST:PORT, or :PORT for every interface", listen.flag)
		}
	}
	return nil
}
