package settings

import (
	"errors"
	"slices"
	"strings"
)

// Required are names of variables that must be set. It is a [flag.Value]: each use of the flag adds names, separated by
// commas.
//
// The policy of a confidential pod fixes the command with every argument, and the values of variables, but whoever
// deploys the pod may leave a variable out. So the command names those whose absence would weaken the program.
type Required []string

// RequiredUsage describes the flag.
const RequiredUsage = "do not start unless these variables, `NAME,NAME,...`, are set and not empty; may be repeated. For confidential pods: their policy fixes this command and each variable's value, but lets variables be left out"

// String returns the names, separated by commas.
func (r *Required) String() string { return strings.Join(*r, ",") }

// Set adds names, separated by commas.
func (r *Required) Set(names string) error {
	list := strings.Split(names, ",")
	if slices.Contains(list, "") {
		return errors.New("want names of variables, separated by commas")
	}
	*r = append(*r, list...)
	return nil
}

// Check reports every name whose variable is not set or empty, or which is no setting of the struct that cfg points to:
// a misspelt name would protect nothing.
func (r Required) Check(cfg any, lookup func(string) (string, bool)) error {
	target, err := structOf(cfg)
	if err != nil {
		return err
	}
	known := fields(target)
	var problems []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(r))) {
		value, _ := lookup(name)
		switch {
		case !slices.ContainsFunc(known, func(f field) bool { return f.name == name }):
			problems = append(problems, Errorf(name, "the flag -require names it, but no setting is called so"))
		case strings.TrimSpace(value) == "":
			problems = append(problems, Errorf(name, "is missing or empty, but the flag -require names it (hint: somebody left it out of the pod, or it belongs to a component that is incomplete)"))
		}
	}
	return errors.Join(problems...)
}
