package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// target is the cluster of the current context.
type target struct {
	context, server string
	config          *rest.Config
}

// currentTarget reads KUBECONFIG, or else the user's own file, as kubectl does.
func currentTarget() (target, error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{})
	raw, err := loader.RawConfig()
	if err != nil {
		return target{}, fmt.Errorf("reading kubeconfig: %w", err)
	}
	if raw.CurrentContext == "" {
		return target{}, errors.New("reading kubeconfig: there is no current context")
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return target{}, fmt.Errorf("reading kubeconfig: %w", err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return target{}, errors.New("reading kubeconfig: the server is no URL")
	}
	return target{context: raw.CurrentContext, server: server.Redacted(), config: config}, nil
}

// version asks the cluster for its version, to see whether it answers.
func (t target) version() (string, error) {
	config := rest.CopyConfig(t.config)
	config.Timeout = 20 * time.Second
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", err
	}
	info, err := client.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", t.server, err)
	}
	return info.GitVersion, nil
}

// local reports whether this is a cluster for trying things, on this computer: one that kind, k3d or minikube named, at an
// address that is not public.
func (t target) local() bool {
	if _, tool := localTool(t.context); tool == "" {
		return false
	}
	server, err := url.Parse(t.server)
	if err != nil {
		return false
	}
	if server.Hostname() == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(server.Hostname())
	return err == nil && (address.IsLoopback() || address.IsPrivate() || address.IsUnspecified())
}

// localTool returns the name that a tool gave to its cluster, and the tool.
func localTool(context string) (name, tool string) {
	for _, tool := range []string{"kind", "k3d"} {
		if name, found := strings.CutPrefix(context, tool+"-"); found {
			return name, tool
		}
	}
	if context == "minikube" {
		return context, context
	}
	return "", ""
}

// confirm makes sure that the user means this cluster.
func (t target) confirm(given string, in io.Reader, out io.Writer) error {
	switch {
	case given == t.context, given == "" && t.local():
		return nil
	case given != "":
		return fmt.Errorf("CONFIRM: got %s, and the current context is %s (hint: kubectl config use-context %s)", given, t.context, given)
	case !interactive(in):
		return fmt.Errorf("nobody confirmed that %s is the cluster to use (hint: make cluster-test CONFIRM=%s)", t.context, t.context)
	}
	fmt.Fprintf(out, "\nThis is no cluster of kind, k3d or minikube on this computer. Namespaces, pods and a load balancer are made there,\nand deleted at the end. To go on, type the context's name: ") //nolint:errcheck // a closed terminal is not our failure
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != t.context {
		return errors.New("the name is not the context's: nothing was done")
	}
	return nil
}

// interactive reports whether a person can answer.
func interactive(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
