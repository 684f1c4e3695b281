// Package openapitest checks answers against the OpenAPI document of the API.
//
//	api := openapitest.New(t)
//	api.Check(http.MethodGet, "/api/key", response.StatusCode, response.Header, body)
//	api.Unseen("/api/key") // what the document promises and no answer has shown
package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"kafka-e2ee/web/openapi"
)

// API is the document, with the answers that were seen.
type API struct {
	t       testing.TB
	Schemas map[string]*jsonschema.Schema // the components, by name
	paths   map[string]map[string]Operation
	seen    map[string]bool // METHOD PATH STATUS TYPE
}

// Operation is what the document says of a method at a path.
type Operation struct {
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
}

const address = "openapi.json"

// New reads the document. Its objects may have no members but those that it names, so that a new one cannot be forgotten
// there.
func New(t testing.TB) *API {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.Document()))
	if err != nil {
		t.Fatal(err)
	}
	a := &API{t: t, Schemas: make(map[string]*jsonschema.Schema), seen: make(map[string]bool)}
	var parts struct {
		Paths      map[string]map[string]Operation
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(openapi.Document(), &parts); err != nil {
		t.Fatal(err)
	}
	a.paths = parts.Paths
	closeObjects(document)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(address, document); err != nil {
		t.Fatal(err)
	}
	for name := range parts.Components.Schemas {
		if a.Schemas[name], err = compiler.Compile(address + "#/components/schemas/" + name); err != nil {
			t.Fatalf("schema %s: %v", name, err)
		}
	}
	return a
}

// closeObjects forbids members that a schema does not name.
func closeObjects(node any) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	case map[string]any:
		if _, named := node["properties"].(map[string]any); named && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// Paths returns the methods that the document names, by path.
func (a *API) Paths() map[string][]string {
	paths := make(map[string][]string)
	for path, methods := range a.paths {
		for method := range methods {
			paths[path] = append(paths[path], strings.ToUpper(method))
		}
	}
	return paths
}

// Enum returns the values that a property of a schema may have, or those of its items.
func (a *API) Enum(schema, property string) (values []string) {
	a.t.Helper()
	s := a.Schemas[schema]
	if property != "" {
		s = s.Properties[property]
	}
	if s.Items2020 != nil {
		s = s.Items2020
	}
	if s.Enum == nil {
		a.t.Fatalf("%s.%s has no values", schema, property)
	}
	for _, value := range s.Enum.Values {
		values = append(values, fmt.Sprint(value))
	}
	return values
}

// Check checks an answer.
func (a *API) Check(method, path string, status int, header http.Header, body []byte) {
	a.t.Helper()
	template, operation := a.find(method, path)
	if template == "" {
		a.t.Errorf("%s %s is not in the document", method, path)
		return
	}
	response, known := operation.Responses[strconv.Itoa(status)]
	if !known {
		a.t.Errorf("%s %s: the document does not know status %d", method, path, status)
		return
	}
	seen := fmt.Sprintf("%s %s %d", method, template, status)
	if len(response.Content) == 0 {
		a.seen[seen] = true
		return
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	content, known := response.Content[media]
	if err != nil || !known {
		a.t.Errorf("%s: the document does not know the type %q", seen, header.Get("Content-Type"))
		return
	}
	a.seen[seen+" "+media] = true
	reference, _ := content.Schema["$ref"].(string) //nolint:errcheck // empty if there is none
	name := strings.TrimPrefix(reference, "#/components/schemas/")
	switch {
	case name == "" && strings.HasSuffix(media, "json"):
		if !json.Valid(body) {
			a.t.Errorf("%s is not JSON: %.200s", seen, body)
		}
	case name == "": // text or bytes
	case media == "application/jsonl":
		for line := range bytes.Lines(body) {
			a.CheckValue(name, line)
		}
	default:
		a.CheckValue(name, body)
	}
}

// CheckValue checks JSON against one of the document's schemas.
func (a *API) CheckValue(schema string, text []byte) {
	a.t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		a.t.Errorf("%s: %v: %.200s", schema, err, text)
		return
	}
	if err := a.Schemas[schema].Validate(value); err != nil {
		a.t.Errorf("%s: %v: %.500s", schema, err, text)
	}
}

// find returns the operation that answers a request.
func (a *API) find(method, path string) (template string, operation Operation) {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for template, methods := range a.paths {
		names := strings.Split(template, "/")
		if len(names) != len(parts) {
			continue
		}
		matches := true
		for i, name := range names {
			matches = matches && (name == parts[i] || strings.HasPrefix(name, "{"))
		}
		operation, known := methods[strings.ToLower(method)]
		for _, other := range methods { // a refused method gets the errors of the path
			if matches && !known {
				operation = other
			}
		}
		if matches {
			return template, operation
		}
	}
	return "", Operation{}
}

// Unseen returns what the document promises for a path, and no answer has shown. Refused methods count for the method
// that is there.
func (a *API) Unseen(path string) (unseen []string) {
	for method, operation := range a.paths[path] {
		for status, response := range operation.Responses {
			types := []string{""}
			if len(response.Content) > 0 {
				types = nil
				for media := range response.Content {
					types = append(types, " "+media)
				}
			}
			for _, media := range types {
				shown := false
				for _, m := range []string{strings.ToUpper(method), http.MethodDelete} {
					shown = shown || a.seen[m+" "+path+" "+status+media]
				}
				if !shown {
					unseen = append(unseen, strings.ToUpper(method)+" "+path+" "+status+media)
				}
			}
		}
	}
	slices.Sort(unseen)
	return unseen
}
