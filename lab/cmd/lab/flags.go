package main

import (
	"flag"
	"fmt"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
)

const usage = `Usage: lab [options]               run the demo: a Kafka broker, an emulated cloud, the producer, the consumer twice
       lab -cloud-only [options]   serve the emulated cloud alone, for other programs
`

// options is what a person says to the program.
type options struct {
	demo      lab.Config
	cloudOnly bool
	cloud     cloud.Config
	names     string // further names in the cloud's certificate, separated by commas
	caFile    string
}

func (o *options) demoFlags(flags *flag.FlagSet) {
	flags.IntVar(&o.demo.Port, "port", 3333, "`port` of the confidential pod's page; the ordinary pod's is the next one")
	flags.StringVar((*string)(&o.demo.Format), "format", string(envelope.FormatRSA), "`format` of the records: rsa, envelope or jwe")
	flags.StringVar(&o.demo.Scenario, "scenario", "", "what happens to the confidential pod; `name` is tampered, debug, no-role, late, rotate, throttled\nor ordinary, or help, which lists what each shows; without it all goes well")
}

func (o *options) cloudFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.cloud.Listen, "listen", "127.0.0.1:8443", "HTTPS `address` of the attestation service and the vault")
	flags.StringVar(&o.cloud.ListenMetadata, "listen-metadata", "127.0.0.1:8180", "HTTP `address` of the hardware's certificates and the identities")
	flags.StringVar(&o.cloud.AttestationHost, "attestation-host", "attestation.lab.example", "host `name` of the attestation service")
	flags.StringVar(&o.cloud.VaultHost, "vault-host", "vault.lab.example", "host `name` of the vault")
	flags.StringVar(&o.names, "names", "localhost,127.0.0.1", "further host `names` and addresses for the certificate, separated by commas")
	flags.StringVar(&o.caFile, "ca-file", "lab-ca.pem", "`file` to which the certificate is written that clients must trust")
	flags.BoolVar(&o.cloud.DangerouslyAcceptAnyReport, "dangerously-accept-any-report", false, "believe reports that no hardware signed: any client can then claim to be any workload")
	flags.BoolVar(&o.cloud.DangerouslyAllowAnyWorkload, "dangerously-allow-any-workload", false, "take release policies that ask for no measurement: such a key goes to every confidential workload")
}

// newFlags is a flag set of its own: a library adds flags to the default one.
func (o *options) newFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("lab", flag.ExitOnError)
	flags.BoolVar(&o.cloudOnly, "cloud-only", false, "")
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
	}
	return flags
}
