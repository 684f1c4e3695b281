package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/vault"
)

const podID = cloud.PodID

// Roles are objects role/ROLE/WHO/SCOPE, with ! for /.
func roleCommands() map[string]command {
	return map[string]command{
		"role assignment list":   {needs: "role assignee scope", do: listRole},
		"role assignment delete": {needs: "role assignee scope", do: deleteRole},
		"role assignment create": {needs: "role scope", may: "assignee assignee-object-id assignee-principal-type", do: createRole},

		"keyvault role assignment list":   {needs: "hsm-name role scope", may: "assignee assignee-object-id", do: listRole},
		"keyvault role assignment delete": {needs: "hsm-name role assignee scope", do: deleteRole},
		"keyvault role assignment create": {needs: "hsm-name role scope", may: "assignee assignee-object-id assignee-principal-type", do: createRole},
	}
}

func role(f flags) (string, error) {
	role, who := f.get("role"), f.get("assignee")+f.get("assignee-object-id")
	if who == "" || (f.get("hsm-name") != "") != strings.HasPrefix(role, "Managed HSM") {
		return "", fail("Role '%s' doesn't exist.", role)
	}
	return strings.Join([]string{"role", role, who, strings.ReplaceAll(f.get("hsm-name")+f.get("scope"), "/", "!")}, "/"), nil
}

func listRole(w *World, f flags) (any, error) {
	id, err := role(f)
	if err != nil || !w.has(id) {
		return []any{}, err
	}
	return []any{map[string]any{"id": id}}, nil
}

func deleteRole(w *World, f flags) (any, error) {
	id, err := role(f)
	if err != nil {
		return nil, err
	}
	return nil, w.drop(id)
}

func createRole(w *World, f flags) (any, error) {
	id, err := role(f)
	if err != nil {
		return nil, err
	}
	if f.get("assignee-object-id") != "" && f.get("assignee-principal-type") == "" {
		return nil, fail("--assignee-principal-type is missing")
	}
	known := map[string]bool{
		"AcrPull": true, "Contributor": true, "Network Contributor": true, "Azure Event Hubs Data Receiver": true, "Azure Event Hubs Data Sender": true, "Key Vault Crypto Officer": true, "Key Vault Crypto User": true, "Key Vault Crypto Service Release User": true,
		"Managed HSM Crypto Officer": true, "Managed HSM Crypto User": true, "Managed HSM Crypto Service Release User": true,
	}
	if !known[f.get("role")] {
		return nil, fail("Role '%s' doesn't exist.", f.get("role"))
	}
	w.set(id, map[string]string{"delay": strings.Repeat("x", w.RoleDelay)})
	if strings.HasSuffix(f.get("role"), "Release User") {
		w.Cloud.Vault.Grant(f.get("assignee"), vault.Role(f.get("role")))
	}
	return nil, nil
}

// may reports whether the person may use keys. A new role takes effect after a while.
func (w *World) may(hsm bool, name string) error {
	where, role := strings.ReplaceAll(scope("vault", name), "/", "!"), "Key Vault Crypto Officer"
	if hsm {
		where, role = name+"!keys", "Managed HSM Crypto User"
	}
	id := strings.Join([]string{"role", role, Person, where}, "/")
	delay := w.objects[id]["delay"]
	if !w.has(id) || delay != "" {
		if delay != "" {
			w.objects[id]["delay"] = delay[1:]
		}
		return fail("(Forbidden) Caller is not authorized to perform action on resource. Inner error: ForbiddenByRbac")
	}
	return nil
}

func vaultCommands() map[string]command {
	return map[string]command{
		"keyvault list": {needs: "resource-type", do: func(w *World, _ flags) (any, error) { return records(w.within("vault")), nil }},
		"keyvault create": {needs: "resource-group name location sku enable-rbac-authorization retention-days", do: func(w *World, f flags) (any, error) {
			if w.has("deleted-vault/" + f.get("name")) {
				return nil, fail("(ConflictError) A vault with the same name already exists in deleted state.")
			}
			return nil, w.make("vault", f, map[string]string{"sku": f.get("sku"), "rbac": f.get("enable-rbac-authorization")})
		}},
		"keyvault show": {may: "name hsm-name", do: func(w *World, f flags) (any, error) {
			id := "vault/" + f.get("name")
			if f.get("hsm-name") != "" {
				id = "hsm/" + f.get("hsm-name")
			}
			properties := map[string]any{"sku": map[string]any{"name": w.objects[id]["sku"]}, "enableRbacAuthorization": w.objects[id]["rbac"] == "true", "provisioningState": "Succeeded"}
			if w.objects[id]["purge-protection"] == "true" {
				properties["enablePurgeProtection"] = true
			}
			return map[string]any{"id": scope("vault", f.get("name")), "properties": properties}, w.there(id)
		}},
		"keyvault delete": {needs: "resource-group name", do: func(w *World, f flags) (any, error) {
			if err := w.drop("vault/" + f.get("name")); err != nil {
				return nil, err
			}
			w.set("deleted-vault/"+f.get("name"), nil)
			return nil, nil
		}},
		"keyvault list-deleted": {needs: "resource-type", do: func(w *World, _ flags) (any, error) { return records(w.within("deleted-vault")), nil }},
		"keyvault purge":        {needs: "name location", do: func(w *World, f flags) (any, error) { return nil, w.drop("deleted-vault/" + f.get("name")) }},

		"keyvault key list": {may: "vault-name hsm-name", do: func(w *World, f flags) (any, error) { return w.keys(f) }},
		"keyvault key delete": {needs: "name", may: "vault-name hsm-name", do: func(w *World, f flags) (any, error) {
			if _, err := w.keys(f); err != nil {
				return nil, err
			}
			if _, err := w.ask(http.MethodDelete, "/keys/"+f.get("name")+"?api-version=7.4", nil); err != nil {
				return nil, err
			}
			w.remove(place(f) + "/" + f.get("name"))
			w.set("deleted-key/"+f.get("name"), nil)
			return nil, nil
		}},
		"keyvault key list-deleted": {may: "vault-name hsm-name", do: func(w *World, f flags) (any, error) { return records(w.within("deleted-key")), w.there(place(f)) }},
		"keyvault key purge":        {needs: "name", may: "vault-name hsm-name", do: func(w *World, f flags) (any, error) { return nil, w.drop("deleted-key/" + f.get("name")) }},

		"rest": {needs: "method url resource", may: "headers body", do: func(w *World, f flags) (any, error) {
			host, path, _ := strings.Cut(strings.TrimPrefix(f.get("url"), "https://"), "/")
			if host == "management.azure.com" {
				return w.held(f, path)
			}
			name, domain, _ := strings.Cut(host, ".")
			if f.get("resource") != "https://"+domain {
				return nil, fail("Unauthorized({\"error\":{\"code\":\"Unauthorized\"}})")
			}
			if err := w.may(domain == "managedhsm.azure.net", name); err != nil {
				return nil, err
			}
			var body []byte
			if file, ok := strings.CutPrefix(f.get("body"), "@"); ok {
				var err error
				if body, err = os.ReadFile(file); err != nil { //nolint:gosec // the file that the script names
					return nil, err
				}
			}
			answer, err := w.ask(strings.ToUpper(f.get("method")), "/"+path, body)
			if err == nil && strings.Contains(path, "/create?") {
				w.set(fmt.Sprintf("%s/%s", map[bool]string{true: "hsm/" + name, false: "vault/" + name}[domain == "managedhsm.azure.net"], strings.Split(path, "/")[1]), nil)
			}
			return answer, err
		}},
	}
}

// held lists the keys or secrets in a vault as Azure's management does, which asks for no role in the vault. Secrets are
// objects vault-secret/VAULT/NAME.
func (w *World) held(f flags, path string) (any, error) {
	found := regexp.MustCompile(`^subscriptions/` + Subscription + `/resourceGroups/([^/]+)/providers/Microsoft\.KeyVault/vaults/([^/]+)/(keys|secrets)\?api-version=2023-07-01$`).FindStringSubmatch(path)
	if f.get("method") != "get" || f.get("resource") != "https://management.azure.com/" || found == nil {
		return nil, fail("Not Found({\"error\":{\"code\":\"InvalidResourceType\"}})")
	}
	if w.objects["vault/"+found[2]]["group"] != found[1] {
		return nil, w.there("vault of " + found[1] + "/" + found[2])
	}
	names := w.within(map[string]string{"keys": "vault/", "secrets": "vault-secret/"}[found[3]] + found[2])
	return map[string]any{"value": records(names)}, nil
}

// ForgetKeys empties the emulated vault.
func (w *World) ForgetKeys() error {
	answer, err := w.ask(http.MethodGet, "/keys?api-version=7.4", nil)
	if err != nil {
		return err
	}
	list, _ := answer.(map[string]any) //nolint:errcheck // a nil map is as good
	keys, _ := list["value"].([]any)   //nolint:errcheck // a nil list is as good
	for _, key := range keys {
		fields, _ := key.(map[string]any) //nolint:errcheck // then deleting fails
		kid := fmt.Sprint(fields["kid"])
		if _, err := w.ask(http.MethodDelete, kid[strings.Index(kid, "/keys/"):]+"?api-version=7.4", nil); err != nil {
			return err
		}
	}
	return nil
}

// place returns the object of the vault or Managed HSM that the flags name.
func place(f flags) string {
	if f.get("hsm-name") != "" {
		return "hsm/" + f.get("hsm-name")
	}
	return "vault/" + f.get("vault-name")
}

func (w *World) keys(f flags) (any, error) {
	if err := w.there(place(f)); err != nil {
		return nil, err
	}
	if err := w.may(f.get("hsm-name") != "", f.get("hsm-name")+f.get("vault-name")); err != nil {
		return nil, err
	}
	return records(w.within(place(f))), nil
}

// ask calls the emulated vault as its operator.
func (w *World) ask(method, path string, body []byte) (any, error) {
	token, err := w.Cloud.Identities.Token(cloud.OperatorID, w.Cloud.Vault.Resource())
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(context.Background(), method, "https://"+w.VaultHost+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	status, text, err := w.fetch(request)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fail("Refused(%s)", text)
	}
	var answer any
	err = json.Unmarshal(text, &answer)
	return answer, err
}

// fetch reaches the emulated cloud and nothing else.
func (w *World) fetch(request *http.Request) (status int, body []byte, err error) {
	resp, err := w.Cloud.Client().Do(request)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, errors.Join(err, resp.Body.Close())
}
