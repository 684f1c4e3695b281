package manifests_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const producerName = "kafka-producer"

// user is what the manifests request from Strimzi's user operator.
type user struct {
	Authentication struct{ Type string }
	Authorization  struct {
		Type string
		ACLs []struct {
			Type       string
			Host       string
			Resource   struct{ Type, Name, PatternType string }
			Operations []string
		}
	}
}

// mayDo lists everything that each user may do in Kafka. Write and Read include Describe.
var mayDo = map[string][]string{
	producerName: {"Write topic kafka-demo-topic"},
	consumerName: {"Read group strimzikafkaconsumergroupid", "Read topic kafka-demo-topic"},
}

// rightsAreMinimal checks that the producer may only write and the consumer only read its topic and group. With plain
// listeners, which authenticate nobody, there are no users.
func rightsAreMinimal(c *cluster) error {
	var problems []error
	got := map[string][]string{}
	for _, o := range c.strimzi {
		if o.GetKind() != "KafkaUser" {
			continue
		}
		spec, err := json.Marshal(o.Object["spec"])
		if err != nil {
			return err
		}
		var u user
		if err := json.Unmarshal(spec, &u); err != nil {
			return err
		}
		if u.Authentication.Type != "tls" || u.Authorization.Type != "simple" {
			problems = append(problems, fmt.Errorf("user %s: authentication %q, authorization %q", o.GetName(), u.Authentication.Type, u.Authorization.Type))
		}
		for _, acl := range u.Authorization.ACLs {
			for _, operation := range acl.Operations {
				what := operation + " " + acl.Resource.Type + " " + acl.Resource.Name
				if acl.Resource.PatternType != "literal" {
					what += " as " + acl.Resource.PatternType
				}
				got[o.GetName()] = append(got[o.GetName()], what)
			}
		}
		slices.Sort(got[o.GetName()])
		if !slices.Equal(got[o.GetName()], mayDo[o.GetName()]) {
			problems = append(problems, fmt.Errorf("user %s: may %q, want %q", o.GetName(), got[o.GetName()], mayDo[o.GetName()]))
		}
	}
	if want := c.choice.has("strimzi-mtls"); (len(got) == len(mayDo)) != want || !want && len(got) > 0 {
		problems = append(problems, fmt.Errorf("%d users in Kafka", len(got)))
	}
	return errors.Join(append(problems, c.listenersAuthenticate())...)
}

// listenersAuthenticate checks that Kafka with users requires a client certificate, and denies what no ACL allows.
func (c *cluster) listenersAuthenticate() error {
	var problems []error
	for _, o := range c.strimzi {
		if o.GetKind() != "Kafka" || !c.choice.has("strimzi-mtls") {
			continue
		}
		spec, err := json.Marshal(o.Object["spec"])
		if err != nil {
			return err
		}
		var k struct {
			Kafka struct {
				Authorization struct {
					Type       string
					SuperUsers []string
				}
				Listeners []struct {
					Name           string
					TLS            bool
					Authentication struct{ Type string }
				}
			}
		}
		if err := json.Unmarshal(spec, &k); err != nil {
			return err
		}
		if k.Kafka.Authorization.Type != "simple" || len(k.Kafka.Authorization.SuperUsers) > 0 {
			problems = append(problems, fmt.Errorf("kafka: authorization %+v", k.Kafka.Authorization))
		}
		for _, l := range k.Kafka.Listeners {
			if !l.TLS || l.Authentication.Type != "tls" {
				problems = append(problems, fmt.Errorf("kafka: listener %s accepts anybody", l.Name))
			}
		}
		if strings.Contains(string(spec), "allow.everyone") {
			problems = append(problems, errors.New("kafka: allows everyone what no ACL names"))
		}
	}
	return errors.Join(problems...)
}

// secretsAreOwn checks that a pod mounts only its own certificate for Kafka and the CA's certificate without its
// key, the consumer also its page's, and the producer its signing key. It also checks that no Secret becomes an environment value: the pod's policy
// would publish it.
func secretsAreOwn(c *cluster) error {
	var problems []error
	for _, d := range c.deployments {
		allowed := map[string]bool{}
		if c.choice.has("strimzi-mtls") {
			allowed["my-cluster-cluster-ca-cert ca.crt"] = true
			allowed[d.Name+" user.crt user.key"] = true
		}
		if d.Name == producerName && c.choice.has("strict") {
			allowed["signing-key signing.pem"] = true
		}
		if d.Name == consumerName && c.choice.has("page-tls-secret") {
			allowed["page tls.crt tls.key"] = true
		}
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.Projected != nil || v.CSI != nil {
				problems = append(problems, fmt.Errorf("%s: volume %s could be any secret", d.Name, v.Name))
			}
			if v.Secret == nil {
				continue
			}
			what := v.Secret.SecretName
			for _, item := range v.Secret.Items {
				what += " " + item.Key
			}
			if !allowed[what] {
				problems = append(problems, fmt.Errorf("%s: mounts secret %s", d.Name, what))
			}
			delete(allowed, what)
		}
		for what := range allowed {
			problems = append(problems, fmt.Errorf("%s: does not mount secret %s", d.Name, what))
		}
		for _, container := range containers(d) {
			if len(container.EnvFrom) > 0 {
				problems = append(problems, fmt.Errorf("%s: takes its environment from elsewhere", container.Name))
			}
		}
	}
	return errors.Join(problems...)
}

// identitiesAreSeparate checks that only the consumer's identity can have the key released, and that only pods that need
// one have an identity in Azure.
func identitiesAreSeparate(c *cluster) error {
	var problems []error
	ids := map[string]string{}
	for _, d := range c.deployments {
		needed := d.Name == consumerName && c.choice.platform() != coco || d.Name == producerName && c.choice.has("event-hubs")
		has := d.Spec.Template.Labels["azure.workload.identity/use"] == "true"
		if has != needed || (d.Spec.Template.Spec.ServiceAccountName != "") != needed {
			problems = append(problems, fmt.Errorf("%s: azure.workload.identity/use is %v and its account %q, want %v", d.Name, has, d.Spec.Template.Spec.ServiceAccountName, needed))
		}
		i := slices.IndexFunc(c.accounts, func(a *corev1.ServiceAccount) bool { return a.Name == d.Spec.Template.Spec.ServiceAccountName })
		if i < 0 {
			continue
		}
		id := c.accounts[i].Annotations["azure.workload.identity/client-id"]
		if other, taken := ids[id]; taken {
			problems = append(problems, fmt.Errorf("%s: has the identity of %s", d.Name, other))
		}
		ids[id] = d.Name
	}
	if len(c.accounts) != len(ids) {
		problems = append(problems, fmt.Errorf("%d accounts for %d pods with an identity", len(c.accounts), len(ids)))
	}
	return errors.Join(problems...)
}
