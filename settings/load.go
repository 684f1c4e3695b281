// Package settings loads a program's settings from environment variables into one struct, checks addresses, and reads
// the files that variables name.
//
// The struct's fields carry the tags envconfig (the variable's exact name), default and desc:
//
//	type Config struct {
//		Topic   string `envconfig:"TOPIC" default:"my-topic" desc:"topic to read"`
//		KeyFile string `envconfig:"KEY_FILE" desc:"file with the private key"`
//	}
//	err := settings.Load(&cfg, os.LookupEnv)
//	key, err := settings.ReadFile("KEY_FILE", cfg.KeyFile)
//
// Do not put secrets into such a struct: keep them in files that it names. Every error starts with the variable's name
// and never holds its value.
//
// Each program checks the values of its settings in its config.go.
package settings

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// Load fills the struct that cfg points to from the variables that lookup knows, usually [os.LookupEnv].
// The error joins all problems as values of [Error]. A field whose variable is wrong holds its default, so that later
// checks do not report it again.
//
// A variable's name is exactly the envconfig tag, upper and lower case included. Two more tags change how a value is
// read. With empty:"default", an empty value means the default; without it, an empty value is an error unless the field
// is a string. With blanks:"cut", white space around the value, or around each element of a list, is dropped.
func Load(cfg any, lookup func(string) (string, bool)) error {
	target, err := structOf(cfg)
	if err != nil {
		return err
	}
	var problems []error
	for _, field := range fields(target) {
		text, set := field.text(lookup)
		if err := field.parse(text, set); err != nil {
			problems = append(problems, &Error{field.name, err}, field.parse(field.fallback, false))
		}
	}
	return errors.Join(problems...)
}

// Table returns a Markdown table of the variables of the struct that cfg points to, in the struct's order.
// It returns the empty string if cfg is not such a pointer.
func Table(cfg any) string {
	target, err := structOf(cfg)
	if err != nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("| Variable | Default | Meaning |\n|---|---|---|\n")
	for _, field := range fields(target) {
		fallback := ""
		if field.fallback != "" {
			fallback = "`" + field.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", field.name, fallback, field.meaning)
	}
	return b.String()
}

func structOf(cfg any) (reflect.Value, error) {
	v := reflect.ValueOf(cfg)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}, errors.New("reading settings: want a pointer to a struct")
	}
	return v.Elem(), nil
}

type field struct {
	name, fallback, meaning string
	emptyIsDefault, cut     bool
	value                   reflect.Value
}

// fields lists the fields with an envconfig tag, including those of nested structs.
func fields(v reflect.Value) []field {
	var found []field
	for i := range v.NumField() {
		def := v.Type().Field(i)
		name := def.Tag.Get("envconfig")
		switch {
		case def.Type.Kind() == reflect.Struct && (def.Anonymous || def.IsExported()):
			found = append(found, fields(v.Field(i))...)
		case name != "" && def.IsExported():
			found = append(found, field{
				name: name, fallback: def.Tag.Get("default"), meaning: def.Tag.Get("desc"), value: v.Field(i),
				emptyIsDefault: def.Tag.Get("empty") == "default", cut: def.Tag.Get("blanks") == "cut",
			})
		}
	}
	return found
}

// text returns the value of the field's variable, or the default and false.
func (f field) text(lookup func(string) (string, bool)) (text string, set bool) {
	text, set = lookup(f.name)
	if set && f.cut {
		parts := []string{text}
		if f.value.Kind() == reflect.Slice {
			parts = strings.Split(text, ",")
		}
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		text = strings.Join(parts, ",")
	}
	if !set || text == "" && f.emptyIsDefault {
		return f.fallback, false
	}
	return text, true
}

// parse sets the field to the text, converted by envconfig.
//
// envconfig upper-cases names, stops at the first error and prints values that it cannot read. So parse gives it one
// field at a time, with the text as the default of a name that no variable can have, and drops the error's text.
func (f field) parse(text string, set bool) error {
	kind := f.value.Kind()
	if text == "" {
		if set && kind != reflect.String {
			return fmt.Errorf("is empty; want %s", wanted(f.value.Type()))
		}
		f.value.SetZero()
		return nil
	}
	if kind == reflect.String {
		f.value.SetString(text)
		return nil
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: f.value.Type(),
		Tag: reflect.StructTag(`envconfig:"=" default:` + strconv.Quote(text)),
	}}))
	if err := envconfig.Process("", one.Interface()); err != nil {
		return fmt.Errorf("is not %s", wanted(f.value.Type()))
	}
	f.value.Set(one.Elem().Field(0))
	return nil
}

// wanted says what a value of the type looks like.
func wanted(t reflect.Type) string {
	if t.String() == "time.Duration" {
		return "a duration such as 10s"
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number that fits"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0 up that fits"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list separated by commas"
	default:
		return "a value of type " + t.String()
	}
}
