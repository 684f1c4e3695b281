// Package openapi holds the OpenAPI document of the API (openapi.json), which is written by hand. Tests check every answer
// of the API against it: see openapitest.
package openapi

import _ "embed"

//go:embed openapi.json
var document []byte

// Document returns the document. Do not change it.
func Document() []byte { return document }
