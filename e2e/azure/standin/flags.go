package standin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jmespath/go-jmespath"

	"kafka-e2ee/e2e/azure/standin/client"
)

// command is a command's flags and its action. The flags in needs are required; may lists the optional ones that take a
// value, or none if they end in !.
type command struct {
	needs, may string
	do         func(w *World, f flags) (any, error)
}

type flags struct {
	call   client.Call
	values map[string]string
}

func (f flags) get(name string) string { return f.values[name] }

// parse splits a call into words and flags, and checks the flags of the command that the words name.
func parse(call client.Call, commands map[string]command) (command, flags, error) {
	words := call.Args
	for i, arg := range call.Args {
		if strings.HasPrefix(arg, "-") {
			words = call.Args[:i]
			break
		}
	}
	name := strings.Join(words, " ")
	c, known := commands[name]
	if !known {
		return c, flags{}, fail("'%s' is misspelled or not recognized by the system", name)
	}
	needs, may := strings.Fields(c.needs), strings.Fields(c.may)
	f := flags{call, map[string]string{}}
	for rest := call.Args[len(words):]; len(rest) > 0; {
		flag := strings.TrimPrefix(rest[0], "--")
		_, twice := f.values[flag]
		switch {
		case !strings.HasPrefix(rest[0], "--") || twice:
			return c, f, fail("unrecognized arguments: %s", rest[0])
		case slices.Contains(may, flag+"!"):
			f.values[flag], rest = "true", rest[1:]
		case slices.Contains(needs, flag) || slices.Contains(may, flag):
			if len(rest) < 2 || rest[1] == "" || strings.HasPrefix(rest[1], "--") {
				return c, f, fail("argument --%s: expected one argument", flag)
			}
			f.values[flag], rest = rest[1], rest[2:]
		default:
			return c, f, fail("unrecognized arguments: %s", rest[0])
		}
	}
	for _, need := range needs {
		if f.get(need) == "" {
			return c, f, fail("the following arguments are required: --%s", need)
		}
	}
	return c, f, nil
}

// display writes a result as az does with --query and --output.
func display(result any, f flags) (string, error) {
	if query := f.get("query"); query != "" {
		// Through JSON, since JMESPath knows only its types.
		text, err := json.Marshal(result)
		if err != nil {
			return "", err
		}
		var plain any
		if err := json.Unmarshal(text, &plain); err != nil {
			return "", err
		}
		if result, err = jmespath.Search(query, plain); err != nil {
			return "", fail("argument --query: invalid jmespath_type value: '%s'", query)
		}
	}
	switch output := f.get("output"); output {
	case "none":
		return "", nil
	case "", "json":
		text, err := json.MarshalIndent(result, "", "  ")
		return string(text) + "\n", err
	case "tsv":
		rows, isList := result.([]any)
		if !isList {
			rows = []any{result}
		}
		var out strings.Builder
		for _, row := range rows {
			cells, isList := row.([]any)
			if !isList {
				cells = []any{row}
			}
			for i, cell := range cells {
				if i > 0 {
					out.WriteByte('\t')
				}
				if cell != nil {
					fmt.Fprint(&out, cell)
				}
			}
			if result != nil {
				out.WriteByte('\n')
			}
		}
		return out.String(), nil
	default:
		return "", fail("argument --output: invalid choice: '%s'", output)
	}
}
