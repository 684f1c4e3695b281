package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kafka-e2ee/consumer"
	"kafka-e2ee/producer"
	progsettings "kafka-e2ee/settings"
	"kafka-e2ee/web/access"
)

const (
	metricsPort = 9464
	pagePort    = 3333
	// attestedPort is the page's with component page-attested.
	attestedPort = 3443
)

// TestMain sets what Azure's webhook sets in pods with its label; identitiesAreSeparate checks the labels.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AZURE_CLIENT_ID": "id", "AZURE_TENANT_ID": "tenant", "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
	} {
		if os.Setenv(name, value) != nil {
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// programsAccept loads each program's settings as its container would, with the program's own code.
func programsAccept(c *cluster) error {
	var problems []error
	for container, d := range c.own() {
		lookup, clean, err := c.inPod(d, container)
		if err != nil {
			return err
		}
		command, required, err := withoutRequired(container.Command)
		if err != nil {
			return err
		}
		switch strings.Join(command, " ") {
		case "/consume":
			problems = append(problems, named(container, new(consumer.Config)), requires(container, required, lookup), c.consumerAccepts(container, lookup))
		case "/consume -make-certificate /etc/page":
			problems = append(problems, named(container, new(consumer.Config)), c.makesCertificate(d, container, lookup))
		case "/produce":
			problems = append(problems, named(container, new(producer.Config)), c.producerAccepts(container, lookup))
		default:
			problems = append(problems, fmt.Errorf("%s: command %q is none of ours", container.Name, container.Command))
		}
		clean()
	}
	return errors.Join(problems...)
}

// named returns variables that the program does not read.
func named(container *corev1.Container, config any) error {
	var problems []error
	for _, e := range container.Env {
		if !strings.Contains(progsettings.Table(config), "| `"+e.Name+"` |") {
			problems = append(problems, fmt.Errorf("%s: no setting is called %s", container.Name, e.Name))
		}
		if e.ValueFrom != nil {
			problems = append(problems, fmt.Errorf("%s: %s comes from elsewhere; a confidential pod's policy holds plain values", container.Name, e.Name))
		}
	}
	return errors.Join(problems...)
}

// environment looks up what the container declares, and nothing else.
func environment(container *corev1.Container) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range container.Env {
			if e.Name == name {
				return e.Value, true
			}
		}
		return "", false
	}
}

// inPod returns the container's environment, with the pod's mounted files as files of this machine: a config map's with
// its text, the others with a certificate, its key, or the sender's signing key. The clean-up removes them.
func (c *cluster) inPod(d *appsv1.Deployment, container *corev1.Container) (lookup func(string) (string, bool), clean func(), err error) {
	folder, err := os.MkdirTemp("", "manifests")
	if err != nil {
		return nil, nil, err
	}
	clean = func() { os.RemoveAll(folder) } //nolint:errcheck // nothing depends on it
	if err := os.WriteFile(filepath.Join(folder, "signing.pem"), []byte(made.signing), 0o600); err != nil {
		return nil, clean, err
	}
	names := func(string) (string, bool) { return "page.test", true }
	if err := access.MakeCertificate(context.Background(), folder, names, slog.New(slog.DiscardHandler)); err != nil {
		return nil, clean, err
	}
	declared := environment(container)
	return func(name string) (string, bool) {
		value, set := declared(name)
		if !set || !strings.HasSuffix(name, "_FILE") {
			return value, set
		}
		if text, found := c.mounted(d, container, value); found {
			file := filepath.Join(folder, name)
			if os.WriteFile(file, []byte(text), 0o600) == nil {
				return file, true
			}
		}
		if key, found := mountedSecret(d, container, value); found {
			switch path.Ext(key) {
			case ".pem":
				key = "signing.pem"
			case ".key":
				key = "tls.key"
			default:
				key = "tls.crt"
			}
			return filepath.Join(folder, key), true
		}
		return value, true // and nothing is there
	}, clean, nil
}

// mountedSecret returns the key in a Secret, or the file of an init container, that the container finds at a path.
func mountedSecret(d *appsv1.Deployment, in *corev1.Container, file string) (string, bool) {
	for _, m := range in.VolumeMounts {
		for _, v := range d.Spec.Template.Spec.Volumes {
			switch {
			case v.Name != m.Name || m.MountPath != path.Dir(file):
			case v.EmptyDir != nil:
				return path.Base(file), true
			case v.Secret != nil:
				for _, item := range v.Secret.Items {
					if item.Path == path.Base(file) {
						return item.Key, true
					}
				}
			}
		}
	}
	return "", false
}

func (c *cluster) consumerAccepts(container *corev1.Container, lookup func(string) (string, bool)) error {
	config, err := consumer.Load(lookup)
	if err != nil {
		return fmt.Errorf("%s: %w", container.Name, err)
	}
	return errors.Join(
		c.pageListens(container, config.Access),
		answersTo(container, config.Access.Hosts, "page.test", "localhost", "127.0.0.1"),
		listens(container, config.MetricsAddr, metricsPort, "metrics"),
		c.kafkaHas(container, config.Topic, config.Brokers),
	)
}

func (c *cluster) producerAccepts(container *corev1.Container, lookup func(string) (string, bool)) error {
	config, err := producer.Load(lookup)
	if err != nil {
		return fmt.Errorf("%s: %w", container.Name, err)
	}
	return errors.Join(
		listens(container, config.MetricsAddr, metricsPort, "metrics"),
		c.kafkaHas(container, config.Topic, config.Brokers),
	)
}

// pageListens checks that the page is at one address, and at a port of the load balancer that says whether it is over
// TLS: a second, open address would show everything.
func (c *cluster) pageListens(container *corev1.Container, page access.Settings) error {
	address, second, want, outside := page.PlainAddr(), page.AttestedAddr, int32(pagePort), int32(80)
	if c.choice.has("page-attested") {
		address, second, want = page.AttestedAddr, page.PlainAddr(), attestedPort
	}
	if page.TLSCertFile != "" || page.AttestedAddr != "" {
		outside = 443
	}
	problems := []error{listens(container, address, want, "kafka-consumer")}
	if second != "" {
		problems = append(problems, fmt.Errorf("%s: a second address of the page, %s", container.Name, second))
	}
	for _, s := range c.services {
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && (len(s.Spec.Ports) != 1 || s.Spec.Ports[0].Port != outside) {
			problems = append(problems, fmt.Errorf("service %s: ports %v, want %d", s.Name, s.Spec.Ports, outside))
		}
	}
	return errors.Join(problems...)
}

// makesCertificate checks that this container writes the page's certificate where the consumer reads it, for the same
// names.
func (c *cluster) makesCertificate(d *appsv1.Deployment, container *corev1.Container, lookup func(string) (string, bool)) error {
	page := environment(containers(d)[len(d.Spec.Template.Spec.InitContainers)])
	for variable, want := range map[string]string{"WEB_TLS_CERT_FILE": "/etc/page/tls.crt", "WEB_TLS_KEY_FILE": "/etc/page/tls.key"} {
		if got, _ := page(variable); got != want {
			return fmt.Errorf("%s: the page has %s=%q, want %s", container.Name, variable, got, want)
		}
		if _, found := mountedSecret(d, container, want); !found {
			return fmt.Errorf("%s: has no folder for %s", container.Name, want)
		}
	}
	mine, _ := lookup("WEB_HOSTS")
	if its, _ := page("WEB_HOSTS"); mine == "" || mine != its {
		return fmt.Errorf("%s: makes a certificate for %q, and the page answers to %q", container.Name, mine, its)
	}
	return nil
}

// answersTo checks the page's host names: a page that answers to any name can be read by any web site that a viewer
// visits.
func answersTo(container *corev1.Container, got []string, want ...string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: WEB_HOSTS is %q, want %q", container.Name, got, want)
	}
	return nil
}

func listens(container *corev1.Container, address string, want int32, portName string) error {
	_, number, err := net.SplitHostPort(address)
	if err != nil || number != strconv.Itoa(int(want)) || port(container, portName) != want {
		return fmt.Errorf("%s: listens at %s, and declares port %d as %s; want %d", container.Name, address, port(container, portName), portName, want)
	}
	return nil
}

// kafkaHas checks that Strimzi is asked for the topic and the listener that a program uses. If Kafka is somebody
// else's, its address is the one in the settings.
func (c *cluster) kafkaHas(container *corev1.Container, topic string, brokers []string) error {
	preset, _ := environment(container)("KAFKA_PRESET")
	if c.choice.has("event-hubs") {
		if len(brokers) != 1 || brokers[0] != "demo.servicebus.windows.net:9093" || preset != "event-hubs" {
			return fmt.Errorf("%s: brokers %q, preset %q", container.Name, brokers, preset)
		}
		return nil
	}
	protocol, _ := environment(container)("KAFKA_SECURITY_PROTOCOL")
	var problems []error
	topics, addresses := map[string]bool{}, map[string]bool{}
	for _, o := range c.strimzi {
		switch o.GetKind() {
		case "KafkaTopic":
			topics[o.GetName()] = true
		case "Kafka":
			listeners, _, err := unstructured.NestedSlice(o.Object, "spec", "kafka", "listeners")
			problems = append(problems, err)
			for _, l := range listeners {
				listener, ok := l.(map[string]any)
				if !ok || listener["tls"] != (protocol == "SSL") {
					continue
				}
				host := o.GetName() + "-kafka-bootstrap"
				if listener["type"] == "loadbalancer" {
					annotations, _, err := unstructured.NestedStringMap(listener, "configuration", "bootstrap", "annotations")
					problems = append(problems, err)
					host = annotations["service.beta.kubernetes.io/azure-load-balancer-ipv4"]
				}
				addresses[fmt.Sprintf("%s:%v", host, listener["port"])] = true
			}
		}
	}
	if !topics[topic] {
		problems = append(problems, fmt.Errorf("%s: nothing creates topic %s", container.Name, topic))
	}
	if len(brokers) != 1 || !addresses[brokers[0]] {
		problems = append(problems, fmt.Errorf("%s: no listener of Kafka is at %q", container.Name, brokers))
	}
	return errors.Join(problems...)
}
