package manifests_test

import (
	"strings"
	"testing"
)

// breakages are single edits of the rendered kata-cc overlay, and what must be reported about each.
var breakages = map[string]struct{ old, new, says string }{
	"misspelt field":          {"livenessProbe:", "livenesProbe:", "unknown field"},
	"misspelt field below":    {"failureThreshold: 6", "failureTreshold: 6", "unknown field"},
	"field of another kind":   {"loadBalancerSourceRanges:", "sourceRanges:", "unknown field"},
	"field twice":             {"replicas: 1\n", "replicas: 1\n  replicas: 2\n", "already set"},
	"wrong type":              {"containerPort: 3333", "containerPort: web", "cannot unmarshal"},
	"root":                    {"runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"},
	"privilege escalation":    {"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation"},
	"capabilities":            {"- ALL", "- NET_RAW", "unrestricted capabilities"},
	"no seccomp":              {"type: RuntimeDefault", "type: Unconfined", "seccompProfile"},
	"writable root":           {"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "not read-only"},
	"another host path":       {"name: endor-loc\n---", "name: endor-loc\n      - hostPath:\n          path: /\n        name: all\n---", "hostPath"},
	"API token":               {"      automountServiceAccountToken: false", "      automountServiceAccountToken: true", "token for the Kubernetes API"},
	"probe of nothing":        {"path: /healthz", "path: /health", "want /healthz"},
	"probe without port":      {"port: metrics", "port: metric", "probe asks port metric"},
	"no readiness":            {"readinessProbe:\n          httpGet:\n            path: /readyz", "startupProbe:\n          httpGet:\n            path: /readyz", "no readiness probe"},
	"more memory":             {"memory: 1Gi", "memory: 2Gi", "limit of memory"},
	"no processor limit":      {"cpu: 200m", "ephemeral-storage: 1Gi", "limit of cpu"},
	"request above the limit": {"cpu: 50m", "cpu: 500m", "request of cpu"},
	"image not pinned":        {"consumer:1.0", "consumer", "not pinned"},
	"latest image":            {"producer:1.0", "producer:latest", "not pinned"},
	"two pods":                {"replicas: 1\n  selector", "replicas: 2\n  selector", "one pod"},
	"rolling update":          {"type: Recreate", "type: RollingUpdate", "strategy Recreate"},
	"disruption budget":       {"apiVersion: v1\nkind: Service\n", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: consumer\n---\napiVersion: v1\nkind: Service\n", "disruption budget consumer"},
	"namespace does not warn": {"pod-security.kubernetes.io/warn: restricted", "pod-security.kubernetes.io/warn: privileged", "warn level"},
	"namespace enforces":      {"pod-security.kubernetes.io/warn: restricted", "pod-security.kubernetes.io/enforce: restricted", "enforces"},
	"another namespace":       {"namespace: kafka", "namespace: default", "want kafka"},
	"label missing":           {"app.kubernetes.io/part-of: kafka-e2ee", "part-of: kafka-e2ee", "app.kubernetes.io/part-of is missing"},
	"no workload identity":    {"azure.workload.identity/use:", "azure.workload.identity/used:", "azure.workload.identity/use"},
	"deployment's selector":   {"matchLabels:\n      app.kubernetes.io/name: kafka-golang-consumer\n  strategy", "matchLabels:\n      app.kubernetes.io/name: consumer\n  strategy", "selects other pods"},
	"service's selector":      {"selector:\n    app.kubernetes.io/name: kafka-golang-consumer\n  type", "selector:\n    app.kubernetes.io/name: consumer\n  type", "selects 0 deployments"},
	"service's port":          {"targetPort: kafka-consumer", "targetPort: consumer", "has the port"},
	"open to everybody":       {"  loadBalancerSourceRanges:\n  - 203.0.113.7/32\n", "", "everybody could open"},
	"no range":                {"203.0.113.7/32", "203.0.113.7", "loadBalancerSourceRanges[0]"},
	"a port on each node":     {"allocateLoadBalancerNodePorts: false", "allocateLoadBalancerNodePorts: true", "a port on each node: true"},
	"a chosen node port":      {"targetPort: kafka-consumer", "targetPort: kafka-consumer\n    nodePort: 30080", "port 30080 of each node"},
	"viewers behind nodes":    {"externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster", "externalTrafficPolicy is"},
	"any pod reads the page":  {"- ipBlock:\n        cidr: 203.0.113.7/32", "- ipBlock:\n        cidr: 203.0.113.7/32\n    - namespaceSelector: {}", "in TCP 3333 any pod"},
	"pods of a namespace":     {"kubernetes.io/metadata.name: None", "kubernetes.io/metadata.name: default", "in TCP 3333 pods of default"},
	"two ranges":              {"- ipBlock:\n        cidr: 203.0.113.7/32", "- ipBlock:\n        cidr: 0.0.0.0/0", "the network policy lets in"},
	"any name of a host":      {"- name: WEB_HOSTS\n          value: page.test,localhost,127.0.0.1", "- name: WEB_NOTICE\n          value: x", "WEB_HOSTS"},
	"no port-forward":         {"page.test,localhost,127.0.0.1", "page.test", "WEB_HOSTS"},
	"no load balancer":        {"type: LoadBalancer", "type: ClusterIP", "0 load balancers"},
	"account missing":         {"serviceAccountName: workload-identity-sa", "serviceAccountName: workload-identity", "service account workload-identity is missing"},
	"config map missing":      {"configMap:\n          name: public-key", "configMap:\n          name: private-key", "is missing"},
	"policies limit nobody":   {"podSelector:\n    matchLabels:\n      app.kubernetes.io/part-of: kafka-e2ee", "podSelector:\n    matchLabels:\n      app.kubernetes.io/part-of: nothing", "no network policy limits"},
	"policies limit Strimzi":  {"podSelector:\n    matchLabels:\n      app.kubernetes.io/part-of: kafka-e2ee", "podSelector: {}", "limits Strimzi's pods"},
	"another port":            {"port: 9092\n      protocol", "port: 9093\n      protocol", "out TCP 9093"},
	"any address of the node": {"169.254.169.254/32", "169.254.0.0/16", "169.254.0.0/16"},
	"misspelt variable":       {"name: SkrClientKID", "name: SKRCLIENTKID", "no setting is called SKRCLIENTKID"},
	"vault as URL":            {"value: vault.test", "value: https://vault.test/keys", "SkrClientAKVEndpoint"},
	"key file elsewhere":      {"value: /etc/kafka-e2ee/", "value: /etc/kafka/", "PUBKEY_FILE"},
	"host data":               {"value: vault.test", "value: \"" + strings.Repeat("0123456789abcdef", 4) + "\"", "own measurement"},
	"another topic":           {"value: kafka-demo-topic", "value: my-topic", "nothing creates topic my-topic"},
	"another cluster":         {"  name: my-cluster\n", "  name: cluster\n", "no listener of Kafka"},
	"another command":         {"- /consume", "- /consumer", "none of ours"},
	"a name to leave out":     {"-require=TOPIC,WEB_HOSTS", "-require=TOPIC", "WEB_HOSTS can be left out"},
	"a misspelt name":         {"-require=TOPIC,WEB_HOSTS", "-require=TOPIC,WEB_HOST,WEB_HOSTS", "WEB_HOST: the flag -require names it, but no setting"},
	"a name of nothing":       {"-require=TOPIC,WEB_HOSTS", "-require=TOPIC,WEB_HOSTS,WEB_USERS", "WEB_USERS: is missing or empty"},
}

// attestedBreakages are edits of the same overlay with page-attested.
var attestedBreakages = map[string]struct{ old, new, says string }{
	"a second, open address":     {"- name: WEB_ADDR\n          value: none\n", "- name: WEB_NOTICE\n          value: x\n", "a second address of the page, :3333"},
	"no address":                 {"value: :3443", "value: \"\"", "WEB_ADDR"},
	"another port":               {"value: :3443", "value: :3333", "listens at :3333"},
	"the port for no TLS":        {"port: 443\n    protocol: TCP\n    targetPort", "port: 80\n    protocol: TCP\n    targetPort", "want 443"},
	"closed to viewers":          {"port: 3443\n      protocol", "port: 3333\n      protocol", "in TCP 3333"},
	"no name in the certificate": {"- name: WEB_HOSTS\n          value: page.test,localhost,127.0.0.1", "- name: WEB_NOTICE\n          value: x", "WEB_HOSTS"},
}

// Without this the checks of the manifests could pass whatever the manifests say.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	catches(t, choice{kataCC, []string{"settings", "strimzi"}}, breakages)
	catches(t, choice{kataCC, []string{"settings", "page-attested", "strimzi"}}, attestedBreakages)
}

func catches(t *testing.T, chosen choice, breakages map[string]struct{ old, new, says string }) {
	t.Helper()
	text, _ := chosen.renders(t)
	for name, b := range breakages {
		broken := strings.ReplaceAll(text, b.old, b.new)
		if broken == text {
			t.Errorf("%s: there is no %q to break", name, b.old)
			continue
		}
		c, err := decode(broken)
		if err == nil {
			c.choice = chosen
			err = c.check()
		}
		if err == nil || !strings.Contains(err.Error(), b.says) {
			t.Errorf("%s: want %q, got: %v", name, b.says, err)
		}
	}
}
