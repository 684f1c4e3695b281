package standin

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// template is a template of Azure Resource Manager, as far as the scripts use it.
type template struct {
	Parameters map[string]any `json:"parameters"`
	Resources  []resource     `json:"resources"`
}

type resource struct {
	Type       string `json:"type"`
	APIVersion string `json:"apiVersion"`
	Name       string `json:"name"`
	Location   string `json:"location"`
	Identity   struct {
		Users map[string]any `json:"userAssignedIdentities"`
	} `json:"identity"`
	Properties struct {
		SKU          string                              `json:"sku"`
		Confidential *struct{ CCEPolicy string }         `json:"confidentialComputeProperties"`
		Credentials  []struct{ Server, Identity string } `json:"imageRegistryCredentials"`
		Address      *struct{ DNSNameLabel string }      `json:"ipAddress"`
		Containers   []groupContainer                    `json:"containers"`
		Pools        []struct{ WorkloadRuntime string }  `json:"agentPoolProfiles"`
		// Of a node pool.
		WorkloadRuntime string `json:"workloadRuntime"`
	} `json:"properties"`
}

type groupContainer struct {
	Name       string
	Properties struct {
		Image                string
		EnvironmentVariables []struct{ Name, Value string }
		SecurityContext      map[string]any
	}
}

func readTemplate(file string) (t template, err error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the script names
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(text, &t); err != nil || len(t.Resources) != 1 {
		return t, fail("(InvalidTemplate) %d resources: %v", len(t.Resources), err)
	}
	return t, nil
}

// policyFor makes the policy for a template: from everything in it but the policy.
func policyFor(file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the script names
	if err != nil {
		return nil, err
	}
	var whole unstructured.Unstructured
	if err := json.Unmarshal(text, &whole.Object); err != nil {
		return nil, err
	}
	resources, _, err := unstructured.NestedSlice(whole.Object, "resources")
	if err != nil || len(resources) != 1 {
		return nil, fail("%d resources: %v", len(resources), err)
	}
	group, _ := resources[0].(map[string]any) //nolint:errcheck // a nil map is as good
	containers, _, err := unstructured.NestedSlice(group, "properties", "containers")
	if err != nil {
		return nil, err
	}
	text, err = json.Marshal(containers)
	return append([]byte("package policy\n# for exactly this:\n"), text...), err
}

// checkParameters reports whether each parameter has a value, and secret ones are not in the template.
func checkParameters(t template, file string) error {
	given := map[string]struct{ Value string }{}
	if name, ok := strings.CutPrefix(file, "@"); ok {
		text, err := os.ReadFile(name) //nolint:gosec // the file that the script names
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &given); err != nil {
			return err
		}
	}
	for name := range t.Parameters {
		key, err := base64.StdEncoding.DecodeString(given[name].Value)
		if block, _ := pem.Decode(key); err != nil || block == nil {
			return fail("(InvalidTemplate) The value for the template parameter '%s' is not a signing key: %v", name, err)
		}
	}
	if len(given) != len(t.Parameters) {
		return fail("(InvalidTemplate) %d parameters, %d values", len(t.Parameters), len(given))
	}
	return nil
}
