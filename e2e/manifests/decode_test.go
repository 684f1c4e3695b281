package manifests_test

import (
	"errors"
	"fmt"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/yaml"
)

// cluster holds the objects that the manifests would create.
type cluster struct {
	choice      choice
	namespaces  []*corev1.Namespace
	accounts    []*corev1.ServiceAccount
	configs     []*corev1.ConfigMap
	services    []*corev1.Service
	deployments []*appsv1.Deployment
	policies    []*networkingv1.NetworkPolicy
	budgets     []*policyv1.PodDisruptionBudget
	monitors    []*monitoringv1.PodMonitor
	alerts      []*monitoringv1.PrometheusRule
	strimzi     []*unstructured.Unstructured
	objects     []metav1.Object // all but Strimzi's
}

// decode reads every document strictly: unknown and duplicate fields are errors.
func decode(text string) (*cluster, error) {
	scheme := runtime.NewScheme()
	add := runtime.NewSchemeBuilder(corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme)
	if err := add.AddToScheme(scheme); err != nil {
		return nil, err
	}
	strict := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Yaml: true, Strict: true})
	c := new(cluster)
	var problems []error
	for document := range strings.SplitSeq(text, "\n---\n") {
		if err := c.add(strict, document); err != nil {
			problems = append(problems, err)
		}
	}
	return c, errors.Join(problems...)
}

func (c *cluster) add(strict runtime.Decoder, document string) error {
	var header metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(document), &header); err != nil {
		return err
	}
	if strings.HasPrefix(header.APIVersion, "kafka.strimzi.io/") {
		object := new(unstructured.Unstructured)
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			return fmt.Errorf("decoding %s: %w", header.Kind, err)
		}
		c.strimzi = append(c.strimzi, object)
		return nil
	}
	object, _, err := strict.Decode([]byte(document), nil, nil)
	if err != nil {
		return fmt.Errorf("decoding %s: %w", header.Kind, err)
	}
	switch o := object.(type) {
	case *corev1.Namespace:
		c.namespaces = append(c.namespaces, o)
	case *corev1.ServiceAccount:
		c.accounts = append(c.accounts, o)
	case *corev1.ConfigMap:
		c.configs = append(c.configs, o)
	case *corev1.Service:
		c.services = append(c.services, o)
	case *appsv1.Deployment:
		c.deployments = append(c.deployments, o)
	case *networkingv1.NetworkPolicy:
		c.policies = append(c.policies, o)
	case *policyv1.PodDisruptionBudget:
		c.budgets = append(c.budgets, o)
	case *monitoringv1.PodMonitor:
		c.monitors = append(c.monitors, o)
	case *monitoringv1.PrometheusRule:
		c.alerts = append(c.alerts, o)
	default:
		return fmt.Errorf("kind %s: nothing checks it", header.Kind)
	}
	described, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("kind %s: has no name", header.Kind)
	}
	c.objects = append(c.objects, described)
	return nil
}

// consumer returns the consumer's deployment.
func (c *cluster) consumer() (*appsv1.Deployment, error) {
	for _, d := range c.deployments {
		if d.Name == consumerName {
			return d, nil
		}
	}
	return nil, fmt.Errorf("deployment %s: is missing", consumerName)
}

// containers returns all containers of a deployment's pod, init containers first.
func containers(d *appsv1.Deployment) []*corev1.Container {
	var all []*corev1.Container
	for _, list := range [][]corev1.Container{d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// container returns a container of a deployment's pod by name.
func container(d *appsv1.Deployment, name string) *corev1.Container {
	for _, c := range containers(d) {
		if c.Name == name {
			return c
		}
	}
	return nil
}
