package settings

// Source is where a text is: in a variable itself, or in the file that a variable names. The zero value is neither.
type Source struct {
	Variable string // holds the text, or the path of the file
	Path     string // of the file; empty: Text holds the text
	Text     string
}

// OneOf returns the source of a text that may be in a variable or in a file: the variable with _FILE after its name
// holds the file's path. If neither is set, it returns the zero value. Both are an error, because one of them would be
// ignored.
func OneOf(variable, text, path string) (Source, error) {
	file := variable + "_FILE"
	switch {
	case text != "" && path != "":
		return Source{}, Errorf(variable+" and "+file, "both are set (hint: keep one)")
	case path != "":
		return Source{Variable: file, Path: path}, nil
	case text != "":
		return Source{Variable: variable, Text: text}, nil
	}
	return Source{}, nil
}

// IsSet reports whether there is a text to read.
func (s Source) IsSet() bool { return s.Path != "" || s.Text != "" }

// Read returns the text, in the form and within the limit of [ReadFile].
func (s Source) Read() ([]byte, error) {
	if s.Path != "" {
		return ReadFile(s.Variable, s.Path)
	}
	return checkText(s.Variable, "the text", []byte(s.Text))
}
