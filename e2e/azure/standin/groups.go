package standin

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
)

const containerGroups = "Microsoft.ContainerInstance/containerGroups"

// groupCommands are az's commands about container groups.
func groupCommands() map[string]command {
	return map[string]command{
		"deployment group validate": {needs: "resource-group template-file", do: func(w *World, f flags) (any, error) {
			t, err := readTemplate(f.get("template-file"))
			if err != nil {
				return nil, err
			}
			return map[string]any{"error": nil}, firstError(w.inGroup(f), w.offers(t.Resources[0]))
		}},
		"deployment group create": {needs: "resource-group name template-file", may: "parameters", do: func(w *World, f flags) (any, error) { return nil, w.deployGroup(f) }},
		"container list":          {needs: "resource-group", do: named("container-group")},
		"container show": {needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			id := "container-group/" + f.get("name")
			// It runs from the second look on.
			state := w.objects[id]["state"]
			if state == "Pending" {
				w.set(id, map[string]string{"state": "Running"})
			}
			return map[string]any{
				"instanceView": map[string]any{"state": state, "events": []any{}},
				"containers":   []any{map[string]any{"instanceView": map[string]any{"events": []any{map[string]any{"message": "the last event of " + f.get("name")}}}}},
				"ipAddress":    map[string]any{"fqdn": w.objects[id]["fqdn"], "ip": "203.0.113.90"},
			}, w.there(id)
		}},
		"container delete": {needs: "resource-group name", may: "yes!", do: func(w *World, f flags) (any, error) { return nil, w.drop("container-group/" + f.get("name")) }},
		"confcom acipolicygen": {needs: "print-policy disable-stdio", may: "template-file virtual-node-yaml print-policy! disable-stdio!", do: func(w *World, f flags) (any, error) {
			if file := f.get("virtual-node-yaml"); file != "" {
				return w.generate(file)
			}
			return w.generateForGroup(f.get("template-file"))
		}},
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// offers reports whether Azure has what a template asks for.
func (w *World) offers(r resource) error {
	kata := r.Properties.WorkloadRuntime
	for _, pool := range r.Properties.Pools {
		kata = pool.WorkloadRuntime
	}
	switch {
	case r.Type == containerGroups && r.APIVersion == "2023-05-01" && r.Properties.SKU == "Confidential":
		if r.Location != w.Region {
			return fail("(InvalidTemplateDeployment) The requested sku 'Confidential' is not available in the location '%s'", r.Location)
		}
	case strings.HasPrefix(r.Type, "Microsoft.ContainerService/managedClusters") && r.APIVersion == newestAKS && kata == "KataCcIsolation":
		if w.Ended {
			return fail("(InvalidTemplateDeployment) WorkloadRuntime KataCcIsolation is not supported")
		}
	default:
		return fail("(InvalidTemplate) %s %s", r.Type, r.APIVersion)
	}
	return nil
}

func (w *World) generateForGroup(file string) (any, error) {
	t, err := readTemplate(file)
	if err != nil {
		return nil, err
	}
	if len(t.Parameters) > 0 || t.Resources[0].Properties.SKU != "Confidential" {
		return nil, fail("the policy would allow any value for the parameters %v, or the group is not confidential", t.Parameters)
	}
	if err := w.groupPulls(t.Resources[0], w.objects["docker/login"]); err != nil {
		return nil, err
	}
	policy, err := policyFor(file)
	return base64.StdEncoding.EncodeToString(policy), err
}

// groupPulls reports whether all images of a group are pinned, exist, and are open to these registries.
func (w *World) groupPulls(r resource, registries map[string]string) error {
	for _, c := range r.Properties.Containers {
		if err := w.pullsImage(c.Properties.Image, registries); err != nil {
			return err
		}
	}
	return nil
}

// deployGroup makes a container group if Azure would, and if its programs would start.
func (w *World) deployGroup(f flags) error {
	t, err := readTemplate(f.get("template-file"))
	if err != nil {
		return err
	}
	r := t.Resources[0]
	id := "container-group/" + r.Name
	switch {
	case r.Type != containerGroups || r.Name != f.get("name"):
		return fail("(InvalidTemplate) %s %s", r.Type, r.Name)
	case w.has(id):
		return fail("(InvalidContainerGroupUpdate) The sku and the policy of container group '%s' cannot be changed", r.Name)
	case len(r.Identity.Users) != 1 || len(r.Properties.Credentials) != 1:
		return fail("(InvalidRequest) %d identities, %d credentials", len(r.Identity.Users), len(r.Properties.Credentials))
	}
	if err := checkParameters(t, f.get("parameters")); err != nil {
		return err
	}
	who := r.Properties.Credentials[0].Identity
	name := who[strings.LastIndex(who, "/")+1:]
	if _, has := r.Identity.Users[who]; !has || !w.has("identity/"+name) {
		return fail("(FailedIdentityOperation) %s", who)
	}
	registry, _, _ := strings.Cut(r.Properties.Credentials[0].Server, ".")
	pulls := map[string]string{}
	if w.has("role/AcrPull/" + principal(name) + "/" + strings.ReplaceAll(scope("registry", registry), "/", "!")) {
		pulls[r.Properties.Credentials[0].Server] = "yes"
	}
	if err := firstError(w.groupPulls(r, pulls), w.protects(r, f.get("template-file")), w.starts(r, name)); err != nil {
		return err
	}
	text, err := os.ReadFile(f.get("template-file"))
	if err != nil {
		return err
	}
	attributes := map[string]string{"group": f.get("resource-group"), "json": string(text), "state": cmp.Or(w.GroupState, "Pending")}
	if address := r.Properties.Address; address != nil {
		attributes["fqdn"] = address.DNSNameLabel + "." + r.Location + ".azurecontainer.io"
	}
	w.set(id, attributes)
	return w.inGroup(f)
}

// protects reports whether the hardware would start a group: its policy allows it.
func (w *World) protects(r resource, file string) error {
	if r.Properties.SKU == "Standard" {
		hardened := func(c groupContainer) bool { return c.Properties.SecurityContext != nil }
		if r.Properties.Confidential != nil || slices.ContainsFunc(r.Properties.Containers, hardened) {
			return fail("(InvalidRequest) only confidential container groups have a policy or a security context")
		}
		return nil
	}
	if err := w.offers(r); err != nil {
		return err
	}
	policy, err := base64.StdEncoding.DecodeString(r.Properties.Confidential.CCEPolicy)
	if err != nil {
		return err
	}
	want, err := policyFor(file)
	if err != nil {
		return err
	}
	return allows(policy, want)
}

// starts reports whether the group's programs have what they need: the producer a key, both access to Event Hubs.
func (w *World) starts(r resource, identity string) error {
	env := map[string]string{}
	for _, v := range r.Properties.Containers[0].Properties.EnvironmentVariables {
		env[v.Name] = v.Value
	}
	role := "Azure Event Hubs Data Receiver"
	if r.Properties.Containers[0].Name == "kafka-producer" {
		role = "Azure Event Hubs Data Sender"
		if block, _ := pem.Decode([]byte(env["PUBKEY"])); block == nil {
			return fail("the producer stops: PUBKEY holds no key")
		}
	}
	if env["KAFKA_PRESET"] != "event-hubs" {
		return nil
	}
	namespace, _, _ := strings.Cut(env["BROKERS"], ".")
	hub := strings.ReplaceAll(scope("event-hubs", namespace+"/"+env["TOPIC"]), "/", "!")
	if !w.has(fmt.Sprintf("role/%s/%s/%s", role, principal(identity), hub)) || env["KAFKA_AZURE_IDENTITY"] != "managed" {
		return fail("%s may not use %s", identity, hub)
	}
	return nil
}

// Group returns the template of a container group as it was deployed.
func (w *World) Group(name string) (text string, policy []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text = w.objects["container-group/"+name]["json"]
	var t template
	if err := json.Unmarshal([]byte(text), &t); err != nil || len(t.Resources) != 1 {
		return "", nil, fail("no container group %s: %v", name, err)
	}
	if t.Resources[0].Properties.Confidential == nil {
		return text, nil, nil
	}
	policy, err = base64.StdEncoding.DecodeString(t.Resources[0].Properties.Confidential.CCEPolicy)
	return text, policy, err
}
