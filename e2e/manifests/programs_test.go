package manifests_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

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

// programsAccept loads each program's settings as its container would, with the program's own code.
func programsAccept(c *cluster) error {
	var problems []error
	for container, d := range c.own() {
		switch strings.Join(container.Command, " ") {
		case "/consume":
			problems = append(problems, named(container, new(consumer.Config)), c.consumerAccepts(container))
		case "/produce":
			problems = append(problems, named(container, new(producer.Config)), c.producerAccepts(d, container))
		default:
			problems = append(problems, fmt.Errorf("%s: command %q is none of ours", container.Name, container.Command))
		}
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

func (c *cluster) consumerAccepts(container *corev1.Container) error {
	config, err := consumer.Load(environment(container))
	if err != nil {
		return fmt.Errorf("%s: %w", container.Name, err)
	}
	return errors.Join(
		listens(container, config.WebAddr, pagePort, "kafka-consumer"),
		listens(container, config.MetricsAddr, metricsPort, "metrics"),
		c.kafkaHas(container.Name, config.Topic, config.Brokers),
	)
}

func (c *cluster) producerAccepts(d *appsv1.Deployment, container *corev1.Container) error {
	config, err := c.producerConfig(d, container)
	if err != nil {
		return fmt.Errorf("%s: %w", container.Name, err)
	}
	return errors.Join(
		listens(container, config.MetricsAddr, metricsPort, "metrics"),
		c.kafkaHas(container.Name, config.Topic, config.Brokers),
	)
}

// producerConfig loads the settings with the key's file as the config map mounts it.
func (c *cluster) producerConfig(d *appsv1.Deployment, container *corev1.Container) (producer.Config, error) {
	lookup := environment(container)
	inPod, _ := lookup("PUBKEY_FILE")
	key, found := c.mounted(d, container, inPod)
	if !found {
		return producer.Config{}, errors.New("PUBKEY_FILE: no config map puts a file there")
	}
	file, err := os.CreateTemp("", "*.pem")
	if err != nil {
		return producer.Config{}, err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // nothing depends on it
	if _, err := file.WriteString(key); err != nil {
		return producer.Config{}, err
	}
	if err := file.Close(); err != nil {
		return producer.Config{}, err
	}
	return producer.Load(func(name string) (string, bool) {
		if name == "PUBKEY_FILE" {
			return file.Name(), true
		}
		return lookup(name)
	})
}

func listens(container *corev1.Container, address string, want int32, portName string) error {
	_, number, err := net.SplitHostPort(address)
	if err != nil || number != strconv.Itoa(int(want)) || port(container, portName) != want {
		return fmt.Errorf("%s: listens at %s, and declares port %d as %s; want %d", container.Name, address, port(container, portName), portName, want)
	}
	return nil
}

// kafkaHas looks for the topic and the listener that a program uses among what Strimzi is asked to make.
func (c *cluster) kafkaHas(program, topic string, brokers []string) error {
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
				if listener, ok := l.(map[string]any); ok && listener["tls"] == false {
					addresses[fmt.Sprintf("%s-kafka-bootstrap:%v", o.GetName(), listener["port"])] = true
				}
			}
		}
	}
	if !topics[topic] {
		problems = append(problems, fmt.Errorf("%s: topic %s is made by nobody", program, topic))
	}
	if len(brokers) != 1 || !addresses[brokers[0]] {
		problems = append(problems, fmt.Errorf("%s: no listener of Kafka is at %q", program, brokers))
	}
	return errors.Join(problems...)
}
