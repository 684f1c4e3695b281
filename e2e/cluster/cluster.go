// Package cluster tries the project's manifests on a Kubernetes cluster: overlay ordinary with Kafka in one pod, and with
// the lab's emulated cloud in the consumer's pod. It makes two namespaces, works in these alone, and deletes them.
//
// It shows that the programs and manifests work on that cluster. It attests nothing: the hardware is emulated.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"

	"kafka-e2ee/settings"
)

// Errors that [Run] returns.
var (
	ErrUnreachable = errors.New("no cluster answers")
	ErrFailed      = errors.New("a check failed")
)

// Config holds the options.
type Config struct {
	Namespace  string        // to make; the other one has "-outside" after it
	Confirm    string        // name of the context that is meant
	Images     string        // see [loadImages]
	Tag        string        // of our images
	KafkaImage string        // empty chooses one
	Wait       time.Duration // for each check

	In  io.Reader // for the confirmation
	Out io.Writer // gets the table
}

// run is one test of a cluster.
type run struct {
	cfg     Config
	target  target
	objects dynamic.Interface
	images  images
	secrets secrets
	table   *table

	id     string // random: the label of this run's namespaces
	record record // that the later checks look at again
}

// Run makes all checks on the cluster of the current context, and prints a table of them.
func Run(ctx context.Context, cfg Config) error {
	if err := checkNamespace(cfg.Namespace); err != nil {
		return settings.Invalid(err)
	}
	t, err := currentTarget()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	fmt.Fprintf(cfg.Out, "context    %s\nserver     %s\nnamespaces %s, %s\n", t.context, t.server, cfg.Namespace, outside(cfg.Namespace)) //nolint:errcheck // a closed terminal is not our failure
	version, err := t.version()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err := t.confirm(cfg.Confirm, cfg.In, cfg.Out); err != nil {
		return settings.Invalid(err)
	}
	r := &run{cfg: cfg, target: t, table: &table{out: cfg.Out}, id: strings.ToLower(rand.Text())}
	if r.images, err = chooseImages(ctx, cfg, t); err != nil {
		return settings.Invalid(err)
	}
	if r.objects, err = dynamic.NewForConfig(t.config); err != nil {
		return err
	}
	if r.secrets, err = makeSecrets(); err != nil {
		return err
	}
	if _, err := r.render(confidential, cfg.Namespace); err != nil { // before anything is made
		return err
	}
	return r.all(ctx, version)
}

func outside(namespace string) string { return namespace + "-outside" }

// checkNamespace refuses the names that belong to a cluster itself. Namespaces that exist are refused when ours is made.
func checkNamespace(name string) error {
	for _, system := range []string{"kube-", "openshift", "aks-", "gke-", "azure-", "calico-", "cattle-"} {
		if strings.HasPrefix(name, system) {
			return fmt.Errorf("NAMESPACE: got %s, want none of the cluster's own", name)
		}
	}
	if name == "default" || name == "" || len(outside(name)) > 63 {
		return fmt.Errorf("NAMESPACE: got %q, want a name of its own with at most 55 characters", name)
	}
	return nil
}

// step is one row of the table. Its check returns what to say of its success.
type step struct {
	name   string
	needed bool // by the steps after it
	check  func(context.Context) (string, error)
}

func (r *run) steps(version string) []step {
	return []step{
		{name: "the cluster has nodes", check: func(ctx context.Context) (string, error) { return r.nodes(ctx, version) }},
		{name: "the images are there", needed: true, check: r.loadImages},
		{name: "namespaces made, level restricted enforced", needed: true, check: r.makeNamespaces},
		{name: "a privileged pod is refused", check: r.privilegedIsRefused},
		{name: "pods of overlay ordinary run and are ready", needed: true, check: r.ordinaryRuns},
		{name: "the page answers through the Service", needed: true, check: r.pageAnswers},
		{name: "without a sidecar: no key, ciphertext", check: r.showsCiphertext},
		{name: "with the sidecar: key released, decrypted", needed: true, check: r.decrypts},
		{name: "changed pod: key refused, ciphertext", check: r.tamperedIsRefused},
		{name: "changed back: decrypted again", check: r.decryptsAgain},
		{name: "pod deleted: the next one decrypts", check: r.survivesDeletion},
		{name: "rollout: the next pod decrypts", check: r.survivesRollout},
		{name: "NetworkPolicy keeps strangers from the page", check: r.networkIsClosed},
		{name: "no port of a node leads to the page", check: r.nodePortsAreClosed},
	}
}

// all makes one check after the other, and cleans up whatever happens.
func (r *run) all(ctx context.Context, version string) error {
	r.table.start()
	blocked := ""
	for _, s := range r.steps(version) {
		if blocked != "" {
			r.table.add(s.name, notReached, 0, blocked)
			continue
		}
		begin := time.Now()
		limited, cancel := context.WithTimeout(ctx, r.cfg.Wait)
		note, err := s.check(limited)
		cancel()
		result := resultOf(err)
		if err != nil {
			note = err.Error()
		}
		r.table.add(s.name, result, time.Since(begin), note)
		switch {
		case ctx.Err() != nil:
			blocked = "interrupted"
		case result == failed && s.needed:
			blocked = "needs what failed above"
		}
	}
	// Also after Ctrl-C: what was made is deleted.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Wait)
	defer cancel()
	begin := time.Now()
	note, err := r.cleanUp(ending)
	if err != nil {
		note = err.Error()
	}
	r.table.add("cleaned up", resultOf(err), time.Since(begin), note)
	return r.table.end()
}
