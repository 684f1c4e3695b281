// Package kafkaconf reads the programs' settings and turns those about Kafka into a sarama configuration.
//
// A program's settings are one struct whose fields carry the tags envconfig (the variable's exact name), default and desc:
//
//	type Config struct {
//		kafkaconf.Settings
//		Topic string `envconfig:"TOPIC" default:"my-topic" desc:"topic to read"`
//	}
//	err := kafkaconf.Load(&cfg, os.LookupEnv)
//
// Secrets have no place in such a struct: they come from files that it names.
package kafkaconf

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// Load fills the struct that cfg points to from the variables that lookup knows, usually [os.LookupEnv].
// The error joins all problems; each starts with the variable's name and none holds its value.
//
// A variable's name is exactly what its envconfig tag says, in mixed case too. One that is set to the empty
// string is empty if its field is a string, and a problem if it is anything else. A field whose variable is a
// problem holds its default, so that later checks do not report it again.
func Load(cfg any, lookup func(string) (string, bool)) error {
	target, err := structOf(cfg)
	if err != nil {
		return err
	}
	var problems []error
	for _, field := range fields(target) {
		text, set := lookup(field.name)
		if !set {
			text = field.fallback
		}
		if err := field.parse(text, set); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", field.name, err), field.parse(field.fallback, false))
		}
	}
	return errors.Join(problems...)
}

// Table lists the variables of the struct that cfg points to as a Markdown table, in the struct's order.
// It returns the empty string for anything else.
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
	value                   reflect.Value
}

// fields lists what carries an envconfig tag, and goes into embedded structs.
func fields(v reflect.Value) []field {
	var found []field
	for i := range v.NumField() {
		def := v.Type().Field(i)
		if def.Anonymous && def.Type.Kind() == reflect.Struct {
			found = append(found, fields(v.Field(i))...)
			continue
		}
		if name := def.Tag.Get("envconfig"); name != "" && def.IsExported() {
			found = append(found, field{name, def.Tag.Get("default"), def.Tag.Get("desc"), v.Field(i)})
		}
	}
	return found
}

// parse sets the field to the text, read as envconfig reads that type.
//
// envconfig upper-cases names, stops at the first problem and prints a value that it cannot read. So it gets one
// field at a time, with the text as its default, under a name that no variable can have, and only its verdict is kept.
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
