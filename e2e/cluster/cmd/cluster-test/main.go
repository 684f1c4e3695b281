// Command cluster-test tries the manifests on the cluster of the current context: "make cluster-test" runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"kafka-e2ee/e2e/cluster"
	"kafka-e2ee/settings"
)

const unreachable = `
To get a cluster on this computer, one of:

  kind create cluster                                      https://kind.sigs.k8s.io
  minikube start --cni=calico                              https://minikube.sigs.k8s.io
  curl -sfL https://get.k3s.io | sh -                      https://k3s.io, Linux only; then:
    sudo k3s kubectl config view --raw >k3s.yaml; export KUBECONFIG=$PWD/k3s.yaml

Or choose one that you have: kubectl config get-contexts, kubectl config use-context NAME.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, cluster.ErrUnreachable):
		fmt.Fprintf(os.Stderr, "cluster-test: %v\n%s", err, unreachable)
		os.Exit(3)
	}
	fmt.Fprintln(os.Stderr, "cluster-test:", err)
	os.Exit(settings.ExitStatus(err))
}

func run(ctx context.Context, args []string) error {
	cfg := cluster.Config{In: os.Stdin, Out: os.Stdout}
	flags := flag.NewFlagSet("cluster-test", flag.ContinueOnError)
	flags.StringVar(&cfg.Namespace, "namespace", "kafka-e2ee-test", "`name` of the namespace to make; a second one gets this name and -outside")
	flags.StringVar(&cfg.Confirm, "confirm", "", "`context` that you mean, if it is none of kind, k3d or minikube")
	flags.StringVar(&cfg.Images, "images", "", "how the images get to the nodes: kind, k3d, minikube or k3s loads this computer's; present; or the `registry` and path\nthat they were pushed to (default: the tool that made the cluster)")
	flags.StringVar(&cfg.Tag, "tag", "dev", "`tag` of the images producer, consumer and lab")
	flags.StringVar(&cfg.KafkaImage, "kafka-image", "", "`image` of Kafka (default apache/kafka:4.3.1)")
	flags.DurationVar(&cfg.Wait, "wait", 5*time.Minute, "longest `time` for each check")
	program := settings.Program{
		Name: "cluster-test", Version: "dev", Commit: "unknown",
		Does: "tries the manifests on the cluster of the current context, and deletes what it made.", ReadOn: "deploy/kubernetes/README.md",
	}
	if err := program.Parse(flags, args, os.Stdout); err != nil {
		return err
	}
	return cluster.Run(ctx, cfg)
}
