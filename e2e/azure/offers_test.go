package azure_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// Without this a user would pay for a cluster or a registry in a region that cannot run the consumer.
func TestAzureNotOffered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"confidential-aci", "container-group"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onPlatform(t, name)
			s.given["LOCATION"] = "polandcentral"
			out, err := s.run("02-cluster.sh")
			for _, want := range []string{"Azure's validation refuses a confidential container group in polandcentral", "not available in the location", "hint: set another LOCATION or PLATFORM", "nothing is billed", "deploy/azure/all down"} {
				if err == nil || !strings.Contains(out, want) {
					t.Errorf("%q is missing: %v: %s", want, err, out)
				}
			}
			if made := s.resources(); !slices.Equal(made, []string{"group/demo"}) {
				t.Errorf("it made %s", made)
			}
			s.must("all", "down")
			if left := s.resources(); len(left) > 0 {
				t.Errorf("left over: %s", left)
			}
		})
	}
}

// Without this an expired sign-in would send the user to another region, and an answer of Azure that says nothing about
// the region would be taken as one.
func TestAzureOfferedIsUnknown(t *testing.T) {
	t.Parallel()
	const validate = "az deployment group validate"
	s := onPlatform(t, "container-group")
	for said, hint := range map[string]string{
		"AADSTS700082: The refresh token has expired": "hint: sign in with az login",
		"(InvalidTemplateDeployment) The template deployment failed: (AuthorizationFailed) The client has no authorization to perform action 'Microsoft.ContainerInstance/containerGroups/write'": "hint: a role is missing",
		"(AuthorizationFailed) The client does not have authorization to perform action 'Microsoft.Resources/deployments/validate/action'":                                                        "hint: a role is missing",
		"HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded":                                                                                                        "hint: check the network",
		"": "hint: remove the cause",
	} {
		s.world.Refusals[validate] = said
		out, err := s.run("02-cluster.sh")
		for _, want := range []string{"02-cluster.sh: having Azure validate a confidential container group in eastus failed: ", said, hint} {
			if err == nil || !strings.Contains(out, want) || strings.Contains(out, "LOCATION") {
				t.Errorf("%q: %q is missing, or another region is advised: %v: %s", said, want, err, out)
			}
		}
	}
	delete(s.world.Refusals, validate)
	const unlisted = "is not in the documented list of regions"
	if out := s.must("02-cluster.sh"); !strings.Contains(out, "Azure's validation has no objection to a confidential container group in eastus") || strings.Contains(out, unlisted) {
		t.Error(out)
	}
	s.given["LOCATION"], s.world.Region = "polandcentral", "polandcentral"
	if out := s.must("02-cluster.sh"); !strings.Contains(out, "polandcentral "+unlisted) {
		t.Error(out)
	}
	page, err := os.ReadFile("../../docs/platforms.md")
	if err != nil {
		t.Fatal(err)
	}
	_, documented, _ := strings.Cut(string(page), "with virtual nodes: ")
	documented, _, _ = strings.Cut(documented, ".")
	script, err := os.ReadFile("../../deploy/azure/offered.sh")
	if want := "regions=(" + strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(documented, " ", ""), ",", " ")) + ")"; err != nil || !strings.Contains(string(script), want) {
		t.Errorf("offered.sh does not have %s: %v", want, err)
	}
}

// Without this a setting that a platform cannot keep would be taken, and the user would rely on it.
func TestAzurePlatformSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		platform string
		given    map[string]string
		says     string
	}{
		"a range":           {"container-group", map[string]string{"SOURCE_RANGE": "203.0.113.7/32"}, "SOURCE_RANGE cannot be kept"},
		"no user":           {"container-group", map[string]string{"PAGE_USER": ""}, "PAGE_USER is empty, and anyone may reach the page"},
		"a namespace":       {"container-group", map[string]string{"VIEWER_NAMESPACE": "gateway"}, "VIEWER_NAMESPACE cannot be kept"},
		"no policy":         {"confidential-aci", map[string]string{"VIEWER_NAMESPACE": "gateway"}, "VIEWER_NAMESPACE cannot be kept"},
		"no user for pods":  {"confidential-aci", map[string]string{"PAGE_USER": ""}, "PAGE_USER is empty, and every pod of the cluster reaches"},
		"Kafka in nothing":  {"container-group", map[string]string{"KAFKA": "strimzi"}, "KAFKA does not fit PLATFORM: container-group has"},
		"Kafka elsewhere":   {"confidential-aci", map[string]string{"KAFKA": "kafka.example.com:9093"}, "KAFKA does not fit PLATFORM: confidential-aci has"},
		"no namespace":      {"confidential-aci", map[string]string{"KAFKA": "event-hubs"}, "EVENT_HUBS is empty"},
		"the ended preview": {"confidential-aci", map[string]string{"PLATFORM": "kata-cc", "KAFKA": "event-hubs", "EVENT_HUBS": "demo-events"}, "KAFKA does not fit PLATFORM: kata-cc has"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onPlatform(t, c.platform)
			maps.Copy(s.given, c.given)
			if out, err := s.run("01-check.sh"); err == nil || !strings.Contains(out, c.says) || len(s.world.Calls()) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// Without this the scripts could replace a user's own container group, deploy another one than the measured, or use a
// cluster that cannot run the consumer.
func TestAzurePlatformsRefuse(t *testing.T) {
	t.Parallel()
	t.Run("no room, and their container group", func(t *testing.T) {
		t.Parallel()
		s := onPlatform(t, "container-group")
		for _, stage := range azureStages[:11] {
			s.must(stage.script)
		}
		for said, hint := range map[string]string{
			"(ContainerGroupQuotaReached) Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'StandardCores' exceeded in region 'eastus'.": "ask for more of Container Instances in eastus (portal, Quotas), or set another LOCATION",
			"(ServiceUnavailable) The requested resource is not available in the location 'eastus' at this moment.":                                                       "Azure has none free in eastus now: try again later, or set another LOCATION",
			"(LocationNotAvailableForResourceType) The provided location 'eastus' is not available for resource type 'Microsoft.ContainerInstance/containerGroups'.":      "Azure does not offer this in eastus: set another LOCATION",
		} {
			s.world.Refusals["az deployment group create"] = said
			if out, err := s.run("12-deploy.sh"); err == nil || !strings.Contains(out, said) || !strings.Contains(out, "hint: "+hint) {
				t.Errorf("%v: %s, want the hint %q", err, out, hint)
			}
		}
		delete(s.world.Refusals, "az deployment group create")
		s.world.Add("container-group/kafka-producer", map[string]string{"group": "demo"})
		if out, err := s.run("12-deploy.sh"); err == nil || !strings.Contains(out, "not deployed by these scripts") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("their Event Hubs", func(t *testing.T) {
		t.Parallel()
		s := onPlatform(t, "container-group")
		for _, stage := range azureStages[:6] {
			s.must(stage.script)
		}
		s.world.Add("event-hubs/demo-events", map[string]string{"group": "demo"})
		if out, err := s.run("07-kafka.sh"); err == nil || !strings.Contains(out, "demo-events accepts connection strings") || slices.Contains(s.resources(), eventHubs[1]) {
			t.Errorf("%v: %s", err, out)
		}
		s.world.Add("event-hubs/demo-events", map[string]string{"local-auth-disabled": "true"})
		s.must("07-kafka.sh")
	})
	t.Run("an edited template", func(t *testing.T) {
		t.Parallel()
		s := onPlatform(t, "container-group")
		for _, stage := range azureStages[:11] {
			s.must(stage.script)
		}
		s.edit("consumer.json", `"memoryInGB": 1`, `"memoryInGB": 2`)
		if out, err := s.run("12-deploy.sh"); err == nil || !strings.Contains(out, "not the file that was measured") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("a cluster without virtual nodes", func(t *testing.T) {
		t.Parallel()
		s := onPlatform(t, "confidential-aci")
		s.given["CLUSTER_IS"] = "existing"
		s.world.Add("group/demo", nil)
		s.world.Add("cluster/mine", map[string]string{"group": "demo", "issuer": "true"})
		if out, err := s.run("02-cluster.sh"); err == nil || !strings.Contains(out, "no virtual nodes") || !strings.Contains(out, "CLUSTER_IS=new") {
			t.Errorf("%v: %s", err, out)
		}
	})
}
