// Package live finds the configuration that a command should decide by: the one
// the running edge serves at this moment, or the file when none runs.
//
// The two differ whenever the file was edited and not yet loaded. "Where does
// this host go" is a question about the running edge; so it is asked first, over
// its admin socket, and gives the very texts it loaded.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// From says which configuration is wanted.
type From string

// The choices; they are what replay's --config-from takes.
const (
	Any  From = ""     // the running edge's, else the file's
	Live From = "live" // the running edge's, or an error
	File From = "file" // the file's, whatever runs
)

// Origin is where a configuration came from.
type Origin struct {
	Path       string    // the main file
	Live       bool      // true: a running edge serves it; false: read from the file now
	Generation string    // eight hex digits
	Since      time.Time // when the running edge began to serve it; zero if not Live
	Reason     string    // why not Live, in words
	Silent     bool      // not Live although an edge runs: it does not answer
}

// Describe is the origin as commands print it: "/etc/holdfast/edge.yaml, live
// generation 9c07ab12 (since 02:14:31, 11m)". now is the time it is said at.
func (o Origin) Describe(now time.Time) string {
	if !o.Live {
		text := o.Path + ", generation " + o.Generation + " as the file is now"
		if o.Reason != "" {
			text += " (" + o.Reason + ")"
		}
		return text
	}
	layout := "15:04:05"
	if ago := now.Sub(o.Since); ago > 20*time.Hour {
		layout = "2006-01-02 15:04:05"
	}
	return fmt.Sprintf("%s, live generation %s (since %s, %s)", o.Path, o.Generation,
		o.Since.Local().Format(layout), terminal.Duration(now.Sub(o.Since).Round(time.Second)))
}

// Served is what the admin socket answers to GET /v1/config: everything that is
// needed to load the same configuration again. It holds secrets (Env).
type Served struct {
	Path       string            `json:"path"`
	Generation string            `json:"generation"`
	Since      time.Time         `json:"since"`
	Sources    []ServedSource    `json:"sources"`
	Env        map[string]string `json:"env"`
}

// ServedSource is one file as it was when it was loaded.
type ServedSource struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// silent is the reason when an edge took the connection and said nothing.
const silent = "an edge is running but does not answer"

// maxAnswer bounds what is read from the socket, in bytes.
const maxAnswer = 256 << 20

// Config loads the configuration whose main file is path (as Find gave it).
// Errors: those of Load if the file is wrong and no edge can be asked; an error
// with a Hint if from is Live and none answers.
func Config(ctx context.Context, path string, from From) (*configs.Config, Origin, error) {
	switch from {
	case Any, Live, File:
	default:
		return nil, Origin{}, fmt.Errorf("the configuration can come from %q or %q, not from %q", Live, File, from)
	}
	cfg, loadErr := asked(path)
	if from == File {
		return fromFile(cfg, path, "", loadErr)
	}
	var socket string
	if loadErr == nil {
		socket = cfg.Admin
	} else if socket = adminOf(path); socket == "" {
		return nil, Origin{}, loadErr
	}
	served, reason, err := ask(ctx, socket)
	if err != nil {
		return nil, Origin{}, err
	}
	if served == nil {
		if from == Live {
			return nil, Origin{}, terminal.WithHint(errors.New(reason),
				"start it with: edge run -c %s; or decide by the file: --config-from file", path)
		}
		cfg, origin, err := fromFile(cfg, path, reason, loadErr)
		origin.Silent = reason == silent
		return cfg, origin, err
	}
	return fromServed(served)
}

func fromFile(cfg *configs.Config, path, reason string, err error) (*configs.Config, Origin, error) {
	if err != nil {
		return nil, Origin{}, err
	}
	return cfg, Origin{Path: path, Generation: cfg.Generation(), Reason: reason}, nil
}

func fromServed(s *Served) (*configs.Config, Origin, error) {
	o := configs.Options{Getenv: os.LookupEnv, Env: s.Env}
	if o.Env == nil {
		o.Env = map[string]string{}
	}
	for _, src := range s.Sources {
		o.Sources = append(o.Sources, configs.Source{Path: src.Path, Text: []byte(src.Text)})
	}
	cfg, err := configs.Load(s.Path, o)
	if err != nil {
		return nil, Origin{}, fmt.Errorf("the running edge's configuration cannot be read here: %w", err)
	}
	if g := cfg.Generation(); g != s.Generation {
		return nil, Origin{}, terminal.WithHint(
			fmt.Errorf("the running edge calls its configuration %s, read here it is %s", s.Generation, g),
			"is this command of the same version as the running edge? edge version")
	}
	return cfg, Origin{Path: s.Path, Live: true, Generation: s.Generation, Since: s.Since}, nil
}

// ask gets the served configuration. A nil *Served means that no edge answers
// there, and the string says why in words.
func ask(ctx context.Context, socket string) (*Served, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := Client(socket)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://edge/v1/config", nil)
	if err != nil {
		return nil, "", err
	}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, "no edge answers at " + socket, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, "the running edge may not be asked: no permission for " + socket, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, silent, nil
	case err != nil:
		return nil, "", fmt.Errorf("asking the running edge: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, "", fmt.Errorf("asking the running edge: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("asking the running edge: it answered %s", res.Status)
	}
	s := new(Served)
	if err := json.Unmarshal(body, s); err != nil {
		return nil, "", fmt.Errorf("asking the running edge: %w", err)
	}
	if len(s.Sources) == 0 {
		return nil, "", errors.New("asking the running edge: it named no configuration")
	}
	return s, "", nil
}

// Client is an HTTP client whose every request goes to the admin socket, whatever
// host its URL names. The caller closes its idle connections.
func Client(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
}
