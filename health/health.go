// Package health serves a program's health and metrics, and lets the same program ask for them, for images without a
// shell:
//
//	check := health.Flags(flag.CommandLine)
//	flag.Parse()
//	if *check != nil {
//		return (*check)(ctx, os.LookupEnv)
//	}
//	server := health.NewServer(health.NewRegistry("consume", build), missing)
//
// Healthy means that the process runs. It does not mean that Kafka or the key are there: /readyz lists what is missing.
package health
