package live

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// Find is configs.Find with the process's environment, and a hint when there is
// no file. flag is what -c was given.
func Find(flag string) (string, error) {
	path, err := configs.Find(flag, os.LookupEnv)
	if errors.Is(err, configs.ErrNoFile) {
		err = terminal.WithHint(err, "write one (configs/ has examples), or see it work first: edge demo")
	}
	return path, err
}

// Load reads the file at path, and the certificates it names. Its errors are as Wrap
// makes them.
func Load(path string) (*configs.Config, error) {
	cfg, err := configs.Load(path, configs.Options{Getenv: os.LookupEnv})
	return cfg, Wrap(path, err)
}

// asked reads the file for somebody who only asks what it says: the keys of its
// certificates may be for others.
func asked(path string) (*configs.Config, error) {
	cfg, err := configs.Load(path, configs.Options{Getenv: os.LookupEnv, NoCertificates: true})
	return cfg, Wrap(path, err)
}

// Wrap makes an error that is or wraps *configs.Errors one that prints itself
// well, a *FileError; others stay as they are.
func Wrap(path string, err error) error {
	var wrong *configs.Errors
	if errors.As(err, &wrong) {
		return &FileError{Path: path, Errors: wrong}
	}
	return err
}

// FileError is all that is wrong with a configuration file. It prints itself,
// see terminal.Multiline.
type FileError struct {
	Path   string
	Errors *configs.Errors
}

// Error is everything on as many lines as it takes.
func (e *FileError) Error() string { return e.Errors.Error() }

// Unwrap gives the *configs.Errors.
func (e *FileError) Unwrap() error { return e.Errors }

// Format writes every problem, a blank line after each, and how many there are.
func (e *FileError) Format(w io.Writer, color bool) error {
	if err := Problems(w, color, e.Errors.Problems); err != nil {
		return err
	}
	errs, warnings := e.Errors.Count()
	text := fmt.Sprintf("%d errors", errs)
	if errs == 1 {
		text = "1 error"
	}
	switch {
	case warnings == 1:
		text += ", 1 warning"
	case warnings > 1:
		text += fmt.Sprintf(", %d warnings", warnings)
	}
	_, err := fmt.Fprintf(w, "%s: %s %s\n", terminal.Clean(e.Path), terminal.Paint(color, terminal.Red, "invalid:"), text)
	return err
}

// Problems writes problems, each with a blank line after it. The error is w's.
func Problems(w io.Writer, color bool, problems []configs.Problem) error {
	var b bytes.Buffer
	for _, p := range problems {
		p.Format(&b, color)
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}
