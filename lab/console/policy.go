package console

import (
	"slices"
	"strings"
)

// policy says what the pods require of a record while a format is chosen, also before it is.
func (c *Console) policy(l localizer, format string) string {
	if current := c.demo.Format(); format != current {
		return l.requirements("policy.will", c.demo.Requires(current), c.demo.Requires(format))
	}
	required := c.demo.Requires(format)
	return l.requirements("policy.now", required, required)
}

// switched says what the pods require since the format was changed. It is empty if they were restarted for another reason
// since.
func (c *Console) switched(l localizer) string {
	last, ok := c.demo.Switched()
	if !ok || last.At.Before(c.demo.Scenario().Began) {
		return ""
	}
	return l.requirements("policy.now", c.demo.Requires(last.From), c.demo.Requires(c.demo.Format()))
}

// requirements says what is required now, what is not any more, and what that means for records that are there.
func (l localizer) requirements(when string, before, after []string) string {
	all := []string{l.T(when + "_anything")}
	if len(after) > 0 {
		all = []string{l.T(when+"_require", "what", l.required(after))}
	}
	lifted := slices.DeleteFunc(slices.Clone(before), func(code string) bool { return slices.Contains(after, code) })
	if len(lifted) > 0 {
		all = append(all, l.T("policy.lifted", "what", l.required(lifted)), l.T("policy.opens"))
	}
	if slices.ContainsFunc(after, func(code string) bool { return !slices.Contains(before, code) }) {
		all = append(all, l.T("policy.refuses"))
	}
	return strings.Join(all, " ")
}

func (l localizer) required(codes []string) string {
	var words []string
	for _, code := range codes {
		words = append(words, l.or("require."+code, code))
	}
	return strings.Join(words, l.T("policy.comma"))
}
