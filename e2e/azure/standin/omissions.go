package standin

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// allows reports whether a policy allows containers, which are given as their own policy. As hcsshim does, it compares
// everything exactly, except that variables may be left out: a policy says which ones may be there, not which ones must.
func allows(policy, own []byte) error {
	allowed, err := containersOf(policy)
	if err != nil {
		return err
	}
	deployed, err := containersOf(own)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(allowed, deployed, func(a, d measuredContainer) bool {
		extra := func(variable any) bool {
			return !slices.ContainsFunc(a.variables, func(known any) bool { return reflect.DeepEqual(known, variable) })
		}
		return reflect.DeepEqual(a.rest, d.rest) && !slices.ContainsFunc(d.variables, extra)
	})
	if !same {
		return fail("container creation denied due to policy")
	}
	return nil
}

// measuredContainer is a container in a policy: its variables, and everything else.
type measuredContainer struct {
	variables []any
	rest      map[string]any
}

func containersOf(policy []byte) ([]measuredContainer, error) {
	var list []map[string]any
	text := policy[bytes.IndexByte(policy, '[')+1:]
	if err := json.Unmarshal(policy[len(policy)-len(text)-1:], &list); err != nil {
		return nil, fail("container creation denied due to policy: %v", err)
	}
	var found []measuredContainer
	for _, container := range list {
		properties, _ := container["properties"].(map[string]any)  //nolint:errcheck // a nil map is as good
		variables, _ := properties["environmentVariables"].([]any) //nolint:errcheck // then there is none
		delete(properties, "environmentVariables")
		found = append(found, measuredContainer{variables, container})
	}
	return found, nil
}
