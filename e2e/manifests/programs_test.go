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
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kafka-e2ee/consumer"
	"kafka-e2ee/kafkaconf"
	"kafka-e2ee/producer"
)

const (
	metricsPort = 9464
	pagePort    = 3333
)

// TestMain sets what Azure's webhook sets in pods that are labelled for it; identitiesAreApart checks the labels.
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
		switch strings.Join(container.Command, " ") {
		case "/consume":
			problems = append(problems, named(container, new(consumer.Config)), c.consumerAccepts(container, lookup))
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

// named finds variables that the program does not read.
func named(container *corev1.Container, config any) error {
	var problems []error
	for _, e := range container.Env {
		if !strings.Contains(kafkaconf.Table(config), "| `"+e.Name+"` |") {
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

// inPod is the container's environment, in which the files that the pod mounts are files here: a config map's with its
// text, the others with a certificate or its key. The clean-up removes them.
func (c *cluster) inPod(d *appsv1.Deployment, container *corev1.Container) (lookup func(string) (string, bool), clean func(), err error) {
	folder, err := os.MkdirTemp("", "manifests")
	if err != nil {
		return nil, nil, err
	}
	clean = func() { os.RemoveAll(folder) } //nolint:errcheck // nothing depends on it
	names := func(string) (string, bool) { return "page.test", true }
	if err := consumer.MakeCertificate(context.Background(), folder, names, slog.New(slog.DiscardHandler)); err != nil {
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
			return filepath.Join(folder, map[bool]string{true: "tls.key", false: "tls.crt"}[strings.HasSuffix(key, ".key")]), true
		}
		return value, true // and nothing is there
	}, clean, nil
}

// mountedSecret is the key in a Secret, or the file of a container that ran before, that the container finds at a path.
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
		listens(container, config.WebAddr, pagePort, "kafka-consumer"),
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

// makesCertificate: where the consumer looks for the page's certificate, this container puts one, for the same names.
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

func listens(container *corev1.Container, address string, want int32, portName string) error {
	_, number, err := net.SplitHostPort(address)
	if err != nil || number != strconv.Itoa(int(want)) || port(container, portName) != want {
		return fmt.Errorf("%s: listens at %s, and declares port %d as %s; want %d", container.Name, address, port(container, portName), portName, want)
	}
	return nil
}

// kafkaHas looks for the topic and the listener that a program uses among what Strimzi is asked to make. Where Kafka is
// somebody else's, its address is the one in the settings.
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
		problems = append(problems, fmt.Errorf("%s: topic %s is made by nobody", container.Name, topic))
	}
	if len(brokers) != 1 || !addresses[brokers[0]] {
		problems = append(problems, fmt.Errorf("%s: no listener of Kafka is at %q", container.Name, brokers))
	}
	return errors.Join(problems...)
}
