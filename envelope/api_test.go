package envelope_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateAPI = flag.Bool("update-api", false, "write api.txt")

// apiPackages are the folders of the packages for other programs.
var apiPackages = []string{".", "reader", "replay"}

// Without this, a change could break the programs that use these packages, and nobody would notice before its users.
func TestAPI(t *testing.T) {
	text := "# What these packages export. Other programs use it: see README.md, \"What will not change\", before a line goes or changes.\n"
	for _, folder := range apiPackages {
		for _, line := range apiOf(parseFolder(t, folder, false)) {
			text += filepath.ToSlash(filepath.Join("envelope", folder)) + ", " + line + "\n"
		}
	}
	if *updateAPI {
		if err := os.WriteFile("api.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	before, now := strings.Split(string(listed), "\n"), strings.Split(text, "\n")
	for _, line := range before {
		if !slices.Contains(now, line) {
			t.Errorf("removed or changed, which breaks programs that use it: %s", line)
		}
	}
	for _, line := range now {
		if !slices.Contains(before, line) {
			t.Errorf("new: %s", line)
		}
	}
	if t.Failed() {
		t.Error("if all of this is intended, run: go test ./envelope -run TestAPI -update-api")
	}
}

// Without this, somebody who looks a function up would not see how it is used.
func TestEachFunctionHasAnExample(t *testing.T) {
	// What fmt and errors call, for the programmer.
	without := []string{"Error", "Is", "String", "Format"}
	for _, folder := range apiPackages {
		shown := make(map[string]bool)
		for _, file := range parseFolder(t, folder, true) {
			for _, decl := range file.Decls {
				if f, is := decl.(*ast.FuncDecl); is && strings.HasPrefix(f.Name.Name, "Example") {
					if f.Doc == nil {
						t.Errorf("%s says nothing", f.Name)
					}
					shown[strings.TrimPrefix(f.Name.Name, "Example")] = true
				}
			}
		}
		functions := 0
		for _, file := range parseFolder(t, folder, false) {
			for _, decl := range file.Decls {
				f, is := decl.(*ast.FuncDecl)
				if !is || !f.Name.IsExported() || !exportedReceiver(f) {
					continue
				}
				name := f.Name.Name
				if f.Recv != nil {
					if slices.Contains(without, name) {
						continue
					}
					name = receiver(f) + "_" + name
				}
				if functions++; !shown[name] {
					t.Errorf("%s: there is no Example%s", folder, name)
				}
			}
		}
		if functions == 0 {
			t.Errorf("%s has no functions", folder)
		}
	}
}

// parseFolder parses the files of a package, or of its tests.
func parseFolder(t *testing.T, folder string, tests bool) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") != tests {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// apiOf returns a sorted line for each exported name.
func apiOf(files []*ast.File) []string {
	lines := make(map[string]bool)
	add := func(format string, args ...any) { lines[fmt.Sprintf(format, args...)] = true }
	for _, file := range files {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() || !exportedReceiver(d) {
					continue
				}
				on := ""
				if d.Recv != nil {
					on = "(" + show(d.Recv.List[0].Type) + ") "
				}
				add("func %s%s%s", on, d.Name, strings.TrimPrefix(show(withoutNames(d.Type)), "func"))
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addSpec(add, d.Tok, spec)
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(lines))
}

func addSpec(add func(string, ...any), kind token.Token, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for i, name := range s.Names {
			if !name.IsExported() {
				continue
			}
			line := kind.String() + " " + name.Name
			if s.Type != nil {
				line += " " + show(s.Type)
			}
			if kind == token.CONST && i < len(s.Values) {
				line += " = " + show(s.Values[i])
			}
			add("%s", line)
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		fields, is := s.Type.(*ast.StructType)
		if !is {
			add("type %s %s", s.Name, show(s.Type))
			return
		}
		add("type %s struct", s.Name)
		for _, field := range fields.Fields.List {
			if len(field.Names) == 0 {
				add("type %s struct, %s", s.Name, show(field.Type))
			}
			for _, name := range field.Names {
				if name.IsExported() {
					add("type %s struct, %s %s", s.Name, name, show(field.Type))
				}
			}
		}
	}
}

// withoutNames leaves out the names of parameters, which callers do not see.
func withoutNames(f *ast.FuncType) *ast.FuncType {
	bare := func(list *ast.FieldList) *ast.FieldList {
		if list == nil {
			return nil
		}
		out := new(ast.FieldList)
		for _, field := range list.List {
			for range max(1, len(field.Names)) {
				out.List = append(out.List, &ast.Field{Type: field.Type})
			}
		}
		return out
	}
	return &ast.FuncType{Params: bare(f.Params), Results: bare(f.Results)}
}

func receiver(f *ast.FuncDecl) string { return strings.TrimPrefix(show(f.Recv.List[0].Type), "*") }

func exportedReceiver(f *ast.FuncDecl) bool { return f.Recv == nil || ast.IsExported(receiver(f)) }

// show prints a type or value on one line.
func show(node any) string {
	var out bytes.Buffer
	if err := printer.Fprint(&out, token.NewFileSet(), node); err != nil {
		panic(err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
