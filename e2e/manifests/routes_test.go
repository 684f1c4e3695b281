package manifests_test

import (
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const (
	routes   = "routes/"
	pageHost = "set-page-host.example" // in the routes, as shipped
)

// attestedService is what the routes lead to.
var attestedService = choice{kataCC, []string{"settings", "strimzi", "page-attested"}}

// documents reads the objects of one file strictly, into the types in their order. Fields must have their exact case, and
// versions and kinds be those of the types, as for the API server.
func documents(t *testing.T, text string, into ...any) {
	t.Helper()
	known := runtime.NewScheme()
	add := runtime.NewSchemeBuilder(networkingv1.AddToScheme, gatewayv1.Install, sourcev1.AddToScheme, kustomizev1.AddToScheme, helmv2.AddToScheme)
	if err := add.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^---$`).Split(text, -1)
	if len(found) != len(into) {
		t.Fatalf("%d documents, want %d", len(found), len(into))
	}
	for i, document := range found {
		text, err := yaml.YAMLToJSONStrict([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if unknown, err := json.UnmarshalStrict(text, into[i]); err != nil || len(unknown) > 0 {
			t.Fatal(err, unknown)
		}
		object, is := into[i].(runtime.Object)
		if !is {
			continue
		}
		kinds, _, err := known.ObjectKinds(object)
		if err != nil || object.GetObjectKind().GroupVersionKind() != kinds[0] {
			t.Errorf("%v, want %v: %v", object.GetObjectKind().GroupVersionKind(), kinds, err)
		}
	}
}

// Without this a gateway could terminate the page's TLS, so that it reads the page and `verify` refuses it, or lead
// nowhere.
func TestGatewayPassesTLSThrough(t *testing.T) {
	t.Parallel()
	var gateway gatewayv1.Gateway
	var route gatewayv1.TLSRoute
	text := read(t, routes+"gateway.yaml")
	documents(t, text, &gateway, &route)
	if len(gateway.Spec.Listeners) != 1 {
		t.Fatalf("%d listeners", len(gateway.Spec.Listeners))
	}
	_, c := attestedService.renders(t)
	if flows, isolated, err := c.flowsOf(gateway.Labels); err != nil || len(flows) > 0 || len(isolated) > 0 {
		t.Errorf("%v: our policies would select a gateway's own pods with the labels %v", err, gateway.Labels)
	}
	listener := gateway.Spec.Listeners[0]
	if listener.Protocol != gatewayv1.TLSProtocolType || listener.TLS == nil || listener.TLS.Mode == nil ||
		*listener.TLS.Mode != gatewayv1.TLSModePassthrough || len(listener.TLS.CertificateRefs) > 0 || listener.TLS.Options != nil {
		t.Errorf("the listener terminates TLS: %+v", listener)
	}
	if listener.Hostname == nil || *listener.Hostname != pageHost || !slices.Equal(route.Spec.Hostnames, []gatewayv1.Hostname{pageHost}) {
		t.Errorf("hosts %v and %v", listener.Hostname, route.Spec.Hostnames)
	}
	parents := route.Spec.ParentRefs
	if len(parents) != 1 || string(parents[0].Name) != gateway.Name || parents[0].SectionName == nil || *parents[0].SectionName != listener.Name || route.Namespace != gateway.Namespace {
		t.Errorf("the route belongs to %v", parents)
	}
	rules := route.Spec.Rules
	if len(rules) != 1 || len(rules[0].BackendRefs) != 1 || rules[0].BackendRefs[0].Port == nil {
		t.Fatalf("the route's rules are %v", rules)
	}
	wantLeadsToThePage(t, route.Namespace, string(rules[0].BackendRefs[0].Name), *rules[0].BackendRefs[0].Port)
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		wantFitsGatewayAPI(t, document)
	}
}

// wantFitsGatewayAPI checks an object against the definitions of the Gateway API's own release, standard channel.
func wantFitsGatewayAPI(t *testing.T, document string) {
	t.Helper()
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := definitions(t, filepath.Join(strings.TrimSpace(string(folder)), "config/crd/standard"))
	object := new(unstructured.Unstructured)
	if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
		t.Fatal(err)
	}
	if err := valid(known[object.GetKind()], object); err != nil {
		t.Errorf("%s: %v", object.GetKind(), err)
	}
}

// Without this an Ingress could terminate the page's TLS, or lead nowhere.
func TestIngressPassesTLSThrough(t *testing.T) {
	t.Parallel()
	var ingress networkingv1.Ingress
	documents(t, read(t, routes+"ingress.yaml"), &ingress)
	if ingress.Annotations["nginx.ingress.kubernetes.io/ssl-passthrough"] != "true" || len(ingress.Annotations) != 1 || len(ingress.Spec.TLS) > 0 {
		t.Errorf("annotations %v, TLS %v", ingress.Annotations, ingress.Spec.TLS)
	}
	if len(ingress.Spec.Rules) != 1 || ingress.Spec.Rules[0].Host != pageHost || len(ingress.Spec.Rules[0].HTTP.Paths) != 1 {
		t.Fatalf("rules %v", ingress.Spec.Rules)
	}
	backend := ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
	wantLeadsToThePage(t, ingress.Namespace, backend.Name, backend.Port.Number)
}

// wantLeadsToThePage checks that the attested page is published by that Service at that port.
func wantLeadsToThePage(t *testing.T, namespace, service string, number int32) {
	t.Helper()
	_, c := attestedService.renders(t)
	page := c.services[0]
	if page.Namespace != namespace || page.Name != service || page.Spec.Ports[0].Port != number {
		t.Errorf("the route leads to %s/%s:%d, and the page is at %s/%s:%d", namespace, service, number, page.Namespace, page.Name, page.Spec.Ports[0].Port)
	}
}

// Without this the README's way behind a gateway could leave the load balancer open beside it, or let nobody in; and the
// chart's could differ.
func TestServiceBehindAGateway(t *testing.T) {
	t.Parallel()
	files := filledIn(t)
	files[settings] = strings.Replace(files[settings], "VIEWER_NAMESPACE="+nobody, "VIEWER_NAMESPACE=gateways", 1)
	c := patched(t, "## Behind a gateway", files)
	s := c.services[0]
	if s.Spec.Type != "ClusterIP" || len(s.Spec.LoadBalancerSourceRanges) > 0 || s.Spec.ExternalTrafficPolicy != "" || s.Spec.AllocateLoadBalancerNodePorts != nil {
		t.Errorf("the Service is %+v", s.Spec)
	}
	flows, _, err := c.flowsOf(c.deployments[0].Spec.Template.Labels)
	if err != nil {
		t.Fatal(err)
	}
	into := slices.DeleteFunc(flows, func(flow string) bool { return !strings.HasPrefix(flow, "in TCP 3333 ") })
	if len(into) != 1 || !strings.Contains(into[0], "gateways") {
		t.Errorf("the network lets in %q", into)
	}
	values := unchanged(t, ordinary).values(t)
	for name, value := range map[string]any{"page.service": "ClusterIP", "page.sourceRanges": []any{}, "page.viewerNamespace": "gateways", "page.dnsLabel": ""} {
		values = with(values, name, value)
	}
	made, _, err := install(t, "kafka", values)
	if err != nil {
		t.Fatal(err)
	}
	files[path.Join(ordinary, "kustomization.yaml")] = read(t, ordinary+"/kustomization.yaml") + snippetAfter(t, "## Behind a gateway")
	wantSameObjects(t, objects(t, made), fromKustomize(t, render(t, ordinary, files)))
}
